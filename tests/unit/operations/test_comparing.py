"""Environments beside each other, with real records, a real storage and a scripted target."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from environment.repository import Repository
from ground import NOW, Ground

from pipeline.errors import NotFoundError
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.outcome import succeeded
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.run import Artifact, Attempt, Products, StageRun
from pipeline.model.status import PromotionState, StageState
from pipeline.operations.comparing import compare_environments
from pipeline.operations.drifting import drifts
from pipeline.operations.lineage import release_page, why


def scanned(ground: Ground, packages: dict[str, str], *rules: str) -> StageRun:
    """A scan stage that is done, with its bill of materials in the storage."""
    components = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in packages.items()
    ]
    document = {"bomFormat": "CycloneDX", "components": [*components, {"type": "file", "name": "/etc/passwd"}]}
    digest, size = ground.storage.put(io.BytesIO(json.dumps(document).encode()))
    findings = tuple(
        Finding(check="vulnerabilities", tool="t", rule=rule, severity=FindingSeverity.HIGH, message="bad", package="p")
        for rule in rules
    )
    products = Products(
        artifacts=(Artifact(name="sbom", path="sbom.cdx.json", digest=digest, size=size, kind="sbom"),),
        findings=findings,
    )
    attempt = Attempt(number=1, started=NOW, finished=NOW, outcome=succeeded(), products=products)
    return StageRun(name="scan", kind="scan", state=StageState.DONE, outcome=succeeded(), attempts=(attempt,))


def deploy(ground: Ground, commit: str, environment: str, scan: StageRun, *, minutes: int) -> Promotion:
    """A run that made a release of a commit and brought it there, so many minutes after the beginning."""
    run = ground.begin(stages=(scan,))
    ground.records.save_stage(run.id, scan)
    release = Release(
        repository="shop",
        commit=commit,
        images={"push": f"r.example/shop@sha256:{commit}"},
        pipeline_digest="sha256:1",
        name=f"{run.number}-{commit[:7]}",
        run=run.id,
        dirty=False,
        created=NOW,
    )
    ground.records.save_release(release)
    time = NOW + timedelta(minutes=minutes)
    promotion = Promotion(
        id=f"promotion-{environment}-{minutes}",
        release=release.id,
        environment=environment,
        kind=PromotionKind.PROMOTE,
        state=PromotionState.DEPLOYED,
        requested_by="anna",
        reason="",
        created=time,
        finished=time,
        run=run.id,
    )
    ground.records.save_promotion(promotion, actor="anna", action="promotion.deployed", data={})
    return promotion


def test_what_one_environment_has_and_the_other_has_not(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    ground, repository = Ground(tmp_path / "home"), git_repo({"a": "1"})
    first = repository.git("rev-parse", "HEAD")
    second = repository.commit({"a": "2"}, "Mend the till")
    deploy(ground, first, "prod", scanned(ground, {"flask": "3.0", "old": "1"}, "CVE-1"), minutes=1)
    deploy(ground, second, "dev", scanned(ground, {"flask": "3.1"}, "CVE-2"), minutes=2)
    found = compare_environments(ground, repository.path, "shop", "dev", "prod")
    assert (found.old.commit, found.new.commit) == (first, second)
    changes = [(item.name, item.old, item.new) for item in found.difference.packages]
    assert changes == [("pypi/flask", "3.0", "3.1"), ("pypi/old", "1", "")]
    assert [item.rule for item in found.difference.introduced] == ["CVE-2"]
    assert [item.rule for item in found.difference.fixed] == ["CVE-1"]
    assert found.notes is not None
    assert [item.commit.subject for item in found.notes.added] == ["Mend the till"]


def test_without_the_commits_the_rest_is_still_compared(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    ground, repository = Ground(tmp_path / "home"), git_repo({"a": "1"})
    deploy(ground, "a" * 40, "prod", scanned(ground, {}), minutes=1)
    deploy(ground, "b" * 40, "dev", scanned(ground, {"flask": "3"}), minutes=2)
    found = compare_environments(ground, repository.path, "shop", "dev", "prod")
    assert (found.notes, "is not in the repository" in found.problem) == (None, True)
    assert [item.name for item in found.difference.packages] == ["pypi/flask"]


def test_a_damaged_bill_of_materials_counts_as_none(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    ground, repository = Ground(tmp_path / "home"), git_repo({"a": "1"})
    digest, size = ground.storage.put(io.BytesIO(b"[" * 100_000))
    good = scanned(ground, {"flask": "3"})
    broken = replace(good.products, artifacts=(replace(good.products.artifacts[0], digest=digest, size=size),))
    bad = replace(good, attempts=(replace(good.attempts[0], products=broken),))
    deploy(ground, "a" * 40, "prod", bad, minutes=1)
    deploy(ground, "b" * 40, "dev", good, minutes=2)
    found = compare_environments(ground, repository.path, "shop", "dev", "prod")
    assert [text for text in found.difference.unknown if text.startswith("packages")]


def test_an_empty_environment_names_those_that_are_not(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    ground, repository = Ground(tmp_path / "home"), git_repo({"a": "1"})
    deploy(ground, "a" * 40, "dev", scanned(ground, {}), minutes=1)
    with pytest.raises(NotFoundError) as caught:
        compare_environments(ground, repository.path, "shop", "dev", "prod")
    assert caught.value.hint == "deployed: dev"
    with pytest.raises(NotFoundError):
        drifts(ground, repository="shop", environment="prod")


def test_a_release_remembers_where_it_came_before(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    ground, repository = Ground(tmp_path / "home"), git_repo({"a": "1"})
    commit, scan = repository.git("rev-parse", "HEAD"), scanned(ground, {})
    first = deploy(ground, commit, "dev", scan, minutes=1)
    moved = replace(first, id="promotion-prod-2", environment="prod", created=NOW + timedelta(minutes=2))
    ground.records.save_promotion(moved, actor="bob", action="promotion.deployed", data={})
    found = why(ground, repository.path, repository="shop", environment="prod")
    assert [arrival.promotion.environment for arrival in found.before] == ["dev"]
    page = release_page(ground, repository.path, found.release.name)
    assert ([item.promotion.environment for item in page.arrivals], page.live_in) == (["dev", "prod"], ("prod", "dev"))
    assert found.commit is not None
    assert found.commit.subject == "Start"
