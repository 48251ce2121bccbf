"""The history of an environment compares what the ledger says with what the target says."""

from __future__ import annotations

from pathlib import Path

import pytest
from ground import NOW, Ground

from pipeline.errors import NotFoundError, TargetError
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.run import Run
from pipeline.model.status import PromotionState
from pipeline.operations.environments import live_promotion, remove_environment
from pipeline.operations.history import history
from pipeline.operations.inspect import releases
from pipeline.ports.target import Instance


def deploy(ground: Ground, run: Run, name: str, state: PromotionState) -> Release:
    """Record that a release of that name was brought to dev."""
    release = Release(
        repository="shop",
        commit=name,
        images={"push": f"r.example/shop@sha256:{name}"},
        pipeline_digest="sha256:1",
        name=name,
        run=run.id,
        dirty=False,
        created=NOW,
    )
    ground.records.save_release(release)
    promotion = Promotion(
        id=f"promotion-{name}",
        release=release.id,
        environment="dev",
        kind=PromotionKind.PROMOTE,
        state=state,
        requested_by="anna",
        reason="",
        created=NOW,
        run=run.id,
        finished=NOW,
    )
    ground.records.save_promotion(promotion, actor="anna", action="deploy", data={})
    return release


def serve(ground: Ground, release: str) -> None:
    """Let an instance of a release serve in dev."""
    ground.place.instances[:] = [
        Instance(name="shop", image="i", release=release, promotion="p", serving=True, healthy=True)
    ]


def test_what_runs_is_what_the_ledger_says(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    run = ground.begin()
    first = deploy(ground, run, "1", PromotionState.DEPLOYED)
    second = deploy(ground, run, "2", PromotionState.ROLLED_BACK)
    serve(ground, first.id)
    found = history(ground, repository="shop", environment="dev", limit=10)
    assert found.live is not None
    assert (found.live.release, found.drifted, found.problem) == (first.id, False, "")
    assert {promotion.release for promotion in found.promotions} == {first.id, second.id}
    assert [facts.live_in for facts in releases(ground.records, repository="shop", limit=10) if facts.live_in] == [
        ("dev",)
    ]


def test_something_else_runs(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    deploy(ground, ground.begin(), "1", PromotionState.DEPLOYED)
    serve(ground, "sha256:other")
    assert history(ground, repository="shop", environment="dev", limit=10).drifted is True


def test_a_target_that_cannot_be_asked_is_said_not_guessed(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    deploy(ground, ground.begin(), "1", PromotionState.DEPLOYED)
    ground.place.errors["observe"] = TargetError("the engine is away")
    found = history(ground, repository="shop", environment="dev", limit=10)
    assert (found.drifted, found.problem) == (None, "the engine is away")


def test_an_unknown_environment_names_the_known_ones(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    deploy(ground, ground.begin(), "1", PromotionState.DEPLOYED)
    with pytest.raises(NotFoundError) as raised:
        history(ground, repository="shop", environment="prod", limit=10)
    assert raised.value.hint == "known environments: dev"


def test_an_environment_that_was_taken_away_runs_nothing_and_has_not_drifted(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    run = ground.begin()
    first = deploy(ground, run, "1", PromotionState.DEPLOYED)
    serve(ground, first.id)
    remove_environment(
        ground, live_promotion(ground, repository="shop", environment="dev"), actor="bob", reason="old", progress=print
    )
    found = history(ground, repository="shop", environment="dev", limit=10)
    assert (found.live, found.drifted) == (None, False)
    assert found.removed is not None
    assert (found.removed.actor, found.removed.data["because"]) == ("bob", "old")
    assert [facts.live_in for facts in releases(ground.records, repository="shop", limit=10)] == [()]
    deploy(ground, run, "2", PromotionState.DEPLOYED)
    again = history(ground, repository="shop", environment="dev", limit=10).live
    assert again is not None
    assert again.id == "promotion-2"
