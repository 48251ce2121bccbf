"""Several workers on one PostgreSQL, each with a home of its own as on another machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment.command import Command
from environment.postgres import postgres
from environment.progress import UnavailableError
from environment.repository import Repository
from environment.serving import Ground, ground

from pipeline.model.status import Conclusion, StageState
from pipeline.model.work import WorkerState, WorkState
from pipeline.operations.serving.asking import ask_run
from pipeline.ports.records import RunFilter

PIPELINE = """
version: 1
name: shop
defaults: {image: busybox}
stages:
  checkout: {kind: checkout}
  one: {commands: ["cat hello.txt > one"]}
  two: {needs: [one], commands: ["test -e one", "sleep 8"]}
"""


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path) -> Iterator[Ground]:
    try:
        with postgres() as server:
            url = server.url(server.fresh())
            with ground(ecluse, tmp_path, ECLUSE_DATABASE=url) as made:
                yield made
                assert made.opened is not None
                made.opened.records.close()
    except UnavailableError as error:
        pytest.fail(f"test environment: {error}", pytrace=False)


def test_another_machine_goes_on_where_one_died(
    serving: Ground, git_repo: Callable[..., Repository], tmp_path: Path
) -> None:
    serving.look_after(git_repo({"pipeline.yml": PIPELINE, "hello.txt": "hi\n"}))
    first = serving.worker(host="first.example.org", ECLUSE_LABELS="first")
    run = ask_run(serving.app, "anna/shop", ref="", variables={}, by="anna").id
    seen = serving.run(run, lambda run: run.stage("two").state is StageState.RUNNING)
    assert seen.runner is not None
    assert seen.runner.host == "first.example.org"
    first.kill()
    os.kill(seen.runner.pid, signal.SIGKILL)

    serving.worker(host="second.example.org", ECLUSE_HOME=str(tmp_path / "second"), ECLUSE_LABELS="second")
    assert serving.item(run).detail == "succeeded"
    ended = serving.run(run)
    assert ended.conclusion is Conclusion.SUCCEEDED
    assert len(serving.app.records.runs(RunFilter())) == 1
    assert ended.runner is None or ended.runner.host == "second.example.org"
    assert len(ended.stage("one").attempts) == 2, "its layer died with its machine"
    states = {item.labels: item.state for item in serving.app.queue.workers(now=serving.app.clock.now())}
    assert states[("second",)] is WorkerState.READY


def test_work_is_shared(serving: Ground, git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    serving.look_after(git_repo({"pipeline.yml": PIPELINE.replace("8", "3"), "hello.txt": "hi\n"}))
    server = serving.serve("--no-worker")
    assert server.url
    for name in ("first", "second"):
        serving.worker(ECLUSE_HOME=str(tmp_path / name), ECLUSE_SLOTS="1")
    runs = [ask_run(serving.app, "anna/shop", ref="", variables={}, by="anna").id for _ in range(2)]
    workers = {serving.item(run, WorkState.TAKEN, WorkState.DONE).worker for run in runs}
    assert [serving.item(run).detail for run in runs] == ["succeeded", "succeeded"]
    assert len(workers) == 2
