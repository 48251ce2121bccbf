"""The log of a run that another machine makes is followed while it grows: two homes, one PostgreSQL, one store."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment.command import Command
from environment.postgres import postgres
from environment.progress import UnavailableError
from environment.repository import Repository
from environment.serving import Ground, awaited, ground
from following import Following
from page_ground import Served, cookie_of

from pipeline.model.account import Role
from pipeline.model.status import Conclusion, StageState
from pipeline.operations.log_carrier import ROOT
from pipeline.operations.serving.asking import ask_run

PIPELINE = """
version: 1
name: shop
defaults: {image: busybox}
stages:
  unit:
    source: false
    commands: ["echo begun", "until test -e GO; do sleep 0.1; done; echo goes on", "false"]
"""


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path) -> Iterator[Ground]:
    try:
        with postgres() as server:
            shared = {"ECLUSE_DATABASE": server.url(server.fresh()), "ECLUSE_STORE": str(tmp_path / "store")}
            with ground(ecluse, tmp_path, **shared) as made:
                yield made
                assert made.opened is not None
                made.opened.records.close()
    except UnavailableError as error:
        pytest.fail(f"test environment: {error}", pytrace=False)


def test_a_log_of_another_machine_is_followed_to_its_end(
    serving: Ground, git_repo: Callable[..., Repository], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    serving.look_after(git_repo({"pipeline.yml": PIPELINE.replace("GO", str(go))}))
    server = serving.serve("--no-worker")
    serving.worker(ECLUSE_HOME=str(tmp_path / "elsewhere"))
    id_ = ask_run(serving.app, "anna/shop", ref="", variables={}, by="anna").id
    run = serving.run(id_, lambda run: run.stage("unit").state is StageState.RUNNING)
    here = f"{server.url}/r/anna/shop/runs/{run.number}"
    api = f"{server.url}/api/v1/repositories/anna/shop/runs/{run.number}/stages/unit/log"
    cookie = cookie_of(Served(url=server.url, app=serving.app), "vera", Role.VIEWER)
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}"}

    lines = Following(f"{here}/log/follow?stage=unit", headers).lines()
    before: list[str] = []
    for _, text in lines:
        before.append(text)
        if text == "begun":
            break
    assert "goes on" not in before
    assert "begun" in [line[1] for line in asked(f"{here}/log/lines?stage=unit&first=1&last=100", headers)["lines"]]
    with urllib.request.urlopen(urllib.request.Request(api, headers=headers), timeout=60) as answer:
        assert b" begun\n" in answer.read()

    go.touch()
    rest = [text for _, text in lines]
    ended = serving.run(id_, lambda run: run.conclusion is not None)
    assert ended.conclusion is Conclusion.FAILED
    whole = asked(f"{here}/log/lines?stage=unit&first=1&last=100", headers)
    assert [line[1] for line in whole["lines"]] == before + rest
    assert (whole["ended"], "goes on" in rest) == (True, True)
    assert not (tmp_path / "elsewhere" / "elsewhere").exists()
    assert awaited(lambda: not list(serving.app.shared.names(ROOT)) if serving.app.shared else None)


def asked(url: str, headers: dict[str, str]) -> dict[str, list[list[str]]]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        found: dict[str, list[list[str]]] = json.load(answer)
        return found
