"""An engine that stops and comes back in the middle of a run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment import leftovers as traces
from environment.command import Command
from environment.repository import Repository
from environment.second_engine import SecondEngine, second_engine

PIPELINE = """
version: 1
name: away
defaults: {{image: "{image}"}}
stages:
  before: {{commands: ["echo written > file"]}}
  slow: {{commands: ["echo awake", "sleep 2; cat file"], retry: {{max: 5, on: [errored, exit 143], backoff: 2s}}}}
  after: {{commands: ["cat file"]}}
"""


@pytest.fixture
def own(engine: str, images: object) -> Iterator[SecondEngine]:
    with second_engine([images.busybox]) as made:  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def repository(git_repo: Callable[..., Repository], images: object) -> Path:
    return git_repo({"pipeline.yml": PIPELINE.format(image=images.busybox)}).path  # type: ignore[attr-defined]


def until_awake(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("[slow] awake"):
            return
    raise AssertionError(f"it never woke: {process.stderr.read() if process.stderr else ''}")


def test_a_run_survives_its_engine_s_restart(
    ecluse: Command, own: SecondEngine, installation: str, repository: Path
) -> None:
    with ecluse.started("run", "--plain", cwd=repository, env={"DOCKER_HOST": own.url}) as process:
        until_awake(process)
        own.stop()
        own.start()
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    stages = {item["name"]: item for item in json.loads(ecluse("show", "last", "--json", cwd=repository).out)["stages"]}
    assert len(stages["before"]["attempts"]) == 1, "what was done is not done again"
    assert len(stages["slow"]["attempts"]) > 1
    assert stages["slow"]["attempts"][0]["outcome"]["conclusion"] in (
        "errored",
        "failed",  # exit 143: the engine still told that it had ended what ran
    )
    assert "[after] written" in out
    assert traces.objects(own.url, installation) == {}


def test_an_engine_that_stays_away_ends_the_run_and_gc_clears_up_later(
    ecluse: Command, own: SecondEngine, installation: str, repository: Path
) -> None:
    pipeline = repository / "pipeline.yml"
    pipeline.write_text(pipeline.read_text().replace("max: 5", "max: 2").replace("backoff: 2s", "backoff: 4s"))
    with ecluse.started("run", "--plain", cwd=repository, env={"DOCKER_HOST": own.url}) as process:
        until_awake(process)
        own.stop()
        out, err = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "engine unreachable" in out
    assert "Traceback" not in out + err
    own.start()
    assert traces.objects(own.url, installation) != {}
    cleared = ecluse("gc", cwd=repository, env={"DOCKER_HOST": own.url})
    assert cleared.code == 0, cleared.err
    assert traces.objects(own.url, installation) == {}
