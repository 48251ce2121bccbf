"""`ecluse env list` and `ecluse env show`, from a real repository, real records and a policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from environment.repository import Repository

from pipeline.bootstrap import Application
from pipeline.cli.commands import ecluse
from pipeline.errors import NotFoundError
from pipeline.model.decision import Block, BlockKind
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState

FILE = """\
version: 1
name: shop
stages: {hello: {image: 'busybox:1.36', commands: 'true'}}
environments:
  dev: {target: {docker: {}}, configuration: {LOG: debug}}
  prod:
    target: {docker: {}}
    after: dev
    automatic: false
    strategy: {canary: {steps: [10%, 100%], pause: 5m}}
    gates:
      - soaked: {in: dev, for: 3d}
      - approvals: {from: ops, not: authors}
      - window: {timezone: Europe/Paris, deny: 2020-12-20..2021-01-05}
      - check: {http: 'https://tickets.example.org/41'}
"""


@dataclass
class Shop:
    """A repository with one release, live in dev for a day."""

    app: Application
    repository: Repository
    release: Release

    def promote(self, environment: str, *, ago: timedelta) -> None:
        time = datetime.now(UTC) - ago
        promotion = Promotion(
            id=f"01{environment}", release=self.release.id, environment=environment, kind=PromotionKind.PROMOTE,
            state=PromotionState.DEPLOYED, requested_by="anna", reason="", created=time, finished=time,
            configuration="sha256:older",
        )  # fmt: skip
        self.app.records.save_promotion(promotion, actor="anna", action="promotion.deployed", data={})


@pytest.fixture
def shop(git_repo: Callable[..., Repository], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("ECLUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    app = Application()
    repository = git_repo({"pipeline.yml": FILE})
    release = Release(
        repository=str(repository.path), commit=repository.git("rev-parse", "HEAD"), images={}, pipeline_digest="",
        name="41-4f1c0de", run="", dirty=False, created=datetime.now(UTC),
    )  # fmt: skip
    app.records.save_release(release)
    return Shop(app=app, repository=repository, release=release)


def call(*words: str) -> None:
    assert ecluse.main(list(words), prog_name="ecluse", standalone_mode=False) in (0, None)


def test_the_list(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.promote("dev", ago=timedelta(hours=30))
    call("env", "list", "-C", str(shop.repository.path))
    dev, prod = (line.split("  ") for line in capsys.readouterr().out.splitlines())
    tip = shop.release.commit[:12]
    assert [word.strip() for word in dev if word] == [
        "●", "dev", "41-4f1c0de since yesterday", "open", f"main ({tip})",
    ]  # fmt: skip
    assert [word.strip() for word in prod if word] == [
        "○", "prod", "nothing is live", "after dev, soaked, approvals, window, check, asked for", f"main ({tip})",
    ]  # fmt: skip


def test_a_page_says_what_is_missing(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.promote("dev", ago=timedelta(hours=30))
    block = Block(
        id="01hold", kind=BlockKind.HOLD, repository=str(shop.repository.path), environment="prod", owner="anna",
        reason="stock-taking", created=datetime.now(UTC),
    )  # fmt: skip
    shop.app.records.save_block(block, actor="anna", action="hold.set")
    call("env", "show", "prod", "-C", str(shop.repository.path))
    page = capsys.readouterr().out
    for words in (
        f"prod on docker, main ({shop.release.commit[:12]})",
        "strategy    canary, 10%, 100%, 5m between",
        "brought in  when somebody asks for it",
        "soaked     live in dev for 3d",
        "approvals  1 of ops, not authors",
        "window     always, not 2020-12-20..2021-01-05 (Europe/Paris)",
        "check      https://tickets.example.org/41 answers 200",
        "nothing is live",
        "what 41-4f1c0de, the newest release, meets:",
        "prod is held by anna: stock-taking",
        "41-4f1c0de was verified in dev",
        "live in dev for 1d6h of 3d",
        "nobody is in the group 'ops': the policy names its people",
    ):
        assert words in page
    assert "tickets.example.org/41 answered" not in page, "looking at a page asks nobody"


def test_for_programs(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.promote("dev", ago=timedelta(hours=1))
    call("env", "list", "--json", "-C", str(shop.repository.path))
    pages = json.loads(capsys.readouterr().out)
    assert [(page["environment"]["name"], page["level"]["depth"], page["verdict"]) for page in pages] == [
        ("dev", 0, None),
        ("prod", 1, None),
    ]
    call("env", "show", "prod", "--json", "-C", str(shop.repository.path))
    page = json.loads(capsys.readouterr().out)
    assert {item["gate"]: item["state"] for item in page["verdict"]["answers"]} == {
        "run": "failed", "after": "passed", "soaked": "waiting", "approvals": "failed", "window": "passed",
    }  # fmt: skip
    call("env", "show", "dev", "-C", str(shop.repository.path))
    words = capsys.readouterr().out
    assert "41-4f1c0de is the newest release" in words
    assert "the configuration has changed since: promote it again to bring it in" in words


def test_an_environment_that_is_not_there(shop: Shop) -> None:
    with pytest.raises(NotFoundError) as caught:
        call("env", "show", "qa", "-C", str(shop.repository.path))
    assert (caught.value.message, caught.value.hint) == ("there is no environment 'qa'", "there are: dev, prod")


def test_what_the_default_branch_does_not_have_yet(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.repository.write({"pipeline.yml": FILE + "  late: {target: {docker: {}}, after: prod}\n"})
    call("env", "list", "-C", str(shop.repository.path))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("▲  late")
    assert last.endswith(f"the working tree: main ({shop.release.commit[:12]}) does not have it yet")
