"""What is asked of a server becomes runs: real processes, a real repository, real git."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository
from environment.serving import Ground, awaited, ground

from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.model.trust import Trust
from pipeline.model.work import WorkState
from pipeline.operations.serving.asking import ask_run, cancel_run, go_on, retry_run
from pipeline.ports.records import RunFilter

PIPELINE = """
version: 1
name: shop
defaults: {image: busybox}
stages:
  checkout: {kind: checkout}
  unit: {commands: ["cat hello.txt"]}
"""
SLOW = """
version: 1
name: shop
defaults: {image: busybox}
stages:
  one: {source: false, commands: ["echo begun; sleep 60"]}
"""


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path) -> Iterator[Ground]:
    with ground(ecluse, tmp_path) as made:
        yield made


def asked(serving: Ground, ref: str = "") -> str:
    return ask_run(serving.app, "anna/shop", ref=ref, variables={}, by="anna").id


def test_a_run_that_is_asked_for_is_made(serving: Ground, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": PIPELINE, "hello.txt": "hi\n"})
    serving.look_after(repository)
    serving.serve()
    branch = asked(serving)
    commit = asked(serving, repository.git("rev-parse", "HEAD"))

    assert serving.item(branch).detail == "succeeded"
    run = serving.run(branch)
    assert (run.conclusion, run.repository, run.branch) == (Conclusion.SUCCEEDED, str(repository.path), "main")
    assert (run.event, run.actor, run.host, run.trust) == ("manual", "anna", "ecluse", Trust.PROTECTED)
    assert b"hi\n" in serving.app.storage.open(run.stage("unit").attempts[0].log).read()
    assert serving.item(commit).detail == "succeeded"
    assert serving.run(commit).trust is Trust.BRANCH


@pytest.mark.parametrize(
    ("files", "ref", "told"),
    [
        pytest.param({"pipeline.yml": PIPELINE}, "nowhere", "no branch, tag or commit 'nowhere'", id="unknown branch"),
        pytest.param({"README": ""}, "main", "has no file pipeline.yml", id="no pipeline file"),
        pytest.param({"pipeline.yml": "version: 1\nname: 7\n"}, "main", "pipeline.yml:", id="bad pipeline file"),
    ],
)
def test_what_cannot_be_planned_ends_visibly(
    serving: Ground, git_repo: Callable[..., Repository], files: dict[str, str], ref: str, told: str
) -> None:
    serving.look_after(git_repo(files))
    serving.worker()
    item = serving.item(asked(serving, ref))
    assert told in item.detail
    recorded = [run.conclusion for run in serving.app.records.runs(RunFilter())]
    assert recorded == ([] if ref == "nowhere" else [Conclusion.ERRORED])


def test_a_run_is_cancelled_wherever_it_is(serving: Ground, git_repo: Callable[..., Repository]) -> None:
    serving.look_after(git_repo({"pipeline.yml": SLOW}))
    serving.start("worker", ECLUSE_SLOTS="1")
    running, waiting = asked(serving), asked(serving)
    serving.run(running, lambda run: run.stage("one").state is StageState.RUNNING)

    assert cancel_run(serving.app, waiting, by="berta").state is WorkState.DONE
    cancel_run(serving.app, running, by="berta")

    assert serving.item(running).detail == "cancelled"
    run = serving.run(running)
    assert run.conclusion is Conclusion.CANCELLED
    outcome = run.stage("one").outcome
    assert outcome is not None
    assert "cancelled by berta" in outcome.reason


def test_a_run_parks_goes_on_and_is_repeated(serving: Ground, git_repo: Callable[..., Repository]) -> None:
    text = PIPELINE + '  ask: {needs: [unit], when: {manual: true}, commands: ["test -e /tmp/nowhere"]}\n'
    serving.look_after(git_repo({"pipeline.yml": text, "hello.txt": "hi\n"}))
    serving.worker()
    run = asked(serving)
    parked = serving.item(run, WorkState.PARKED)
    assert "ask" in parked.detail

    go_on(serving.app, run, started=["ask"], by="berta")
    assert serving.item(run).detail == "failed"

    again = retry_run(serving.app, run, by="berta").id
    assert serving.item(again).detail == "failed"
    assert len(serving.run(run).stage("ask").attempts) == 2


def test_a_server_drains(serving: Ground, git_repo: Callable[..., Repository]) -> None:
    serving.look_after(git_repo({"pipeline.yml": SLOW.replace("60", "4")}))
    server = serving.serve()
    url = f"{server.url}/readyz"
    assert json.load(urllib.request.urlopen(url))["status"] == "ready"
    running = asked(serving)
    serving.run(running, lambda run: run.stage("one").state is StageState.RUNNING)

    server.popen.terminate()
    assert awaited(lambda: _status(url) == 503) is True
    left = asked(serving)

    assert server.popen.wait(60) == 0
    assert serving.run(running).conclusion is Conclusion.SUCCEEDED
    assert serving.app.queue.find(left).state is WorkState.QUEUED


def test_what_has_not_ended_in_time_is_handed_over(serving: Ground, git_repo: Callable[..., Repository]) -> None:
    serving.look_after(git_repo({"pipeline.yml": SLOW.replace("60", "6")}))
    first = serving.worker(ECLUSE_DRAIN="0")
    run = asked(serving)
    serving.run(run, lambda run: run.stage("one").state is StageState.RUNNING)
    assert first.stop() == 0
    item = serving.app.queue.find(run)
    assert (item.state, item.worker) == (WorkState.QUEUED, "")
    assert "handed it over" in item.detail

    serving.worker()
    assert serving.item(run).detail == "succeeded"
    assert len(serving.app.records.runs(RunFilter())) == 1


def test_the_runs_of_a_dead_worker_are_taken_over(serving: Ground, git_repo: Callable[..., Repository]) -> None:
    serving.look_after(git_repo({"pipeline.yml": SLOW.replace("60", "6")}))
    first = serving.worker()
    run = asked(serving)
    runner = serving.run(run, lambda run: run.stage("one").state is StageState.RUNNING).runner
    assert runner is not None
    first.kill()
    import os
    import signal

    os.kill(runner.pid, signal.SIGKILL)

    serving.worker()
    assert serving.item(run).detail == "succeeded"
    assert serving.run(run).state is RunState.DONE
    assert serving.app.queue.find(run).token == 2


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
