"""Stopping a run of another process: that very process, and no other."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ground import NOW, Ground, gone, running

from pipeline.errors import RefusedError, UsageError
from pipeline.model.outcome import succeeded
from pipeline.model.run import Attempt, Run, Runner, StageRun
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.operations.cancel import asked_by, cancel
from pipeline.operations.runner_process import Life, claim, life_of, this_process

PROGRAM = """
import signal, sys, time
from pipeline.operations.runner_process import this_process
from pipeline.model.value import canonical
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
print(canonical(this_process()).decode(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def other() -> Iterator[tuple[subprocess.Popen[str], Runner]]:
    """A process that ends with 7 when it is asked to, and who it says it is."""
    import json

    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, Runner(**json.loads(process.stdout.readline()))
    process.kill()
    process.wait()
    process.stdout.close()


def run_by(runner: Runner | None) -> Run:
    """A run that this runner runs."""
    return Run(
        id="01jdexample0000000000000ab",
        number=41,
        repository="shop",
        pipeline="shop",
        commit="",
        message="",
        author="",
        branch="",
        tag="",
        event="push",
        actor="",
        dirty=False,
        plan_digest="",
        state=RunState.RUNNING,
        created=NOW - timedelta(minutes=1),
        runner=runner,
    )


def test_the_process_is_asked_to_stop_and_its_end_can_be_awaited(
    other: tuple[subprocess.Popen[str], Runner], tmp_path: Path
) -> None:
    process, runner = other
    assert life_of(runner) is Life.ALIVE
    ending = cancel(Ground(tmp_path), run_by(runner))
    assert ending is not None
    assert ending.wait(20)
    ending.close()
    assert process.wait(20) == 7
    assert life_of(runner) is Life.GONE


def begun(ground: Ground, runner: Runner) -> Run:
    """A recorded run on the scripted executor: checkout is done, unit was under way, later waits."""
    done = StageRun(name="checkout", kind="run", state=StageState.DONE, outcome=succeeded(), started=NOW, finished=NOW)
    unit = running("unit", Attempt(number=1, started=NOW))
    run = ground.begin(runner=runner, stages=(done, unit, StageRun(name="later", kind="run")))
    ground.leave_container(run.id)
    folder = ground.home / "runs" / run.id
    folder.mkdir(parents=True)
    (folder / "unit.1.log").write_bytes(b"2026-11-23T23:00:00.000Z said\n2026-11-23T23:00:00.000Z torn li")
    return ground.records.find_run(run.id)


@pytest.mark.parametrize(
    "runner",
    [
        pytest.param(gone(), id="killed"),
        pytest.param(replace(gone(), boot="earlier"), id="rebooted"),
    ],
)
def test_a_run_without_a_process_is_ended_and_what_it_left_is_removed(tmp_path: Path, runner: Runner) -> None:
    ground = Ground(tmp_path, executor_name="scripted")
    run = begun(ground, runner)
    assert cancel(ground, run) is None
    ended = ground.records.find_run(run.id)
    assert (ended.state, ended.conclusion) == (RunState.DONE, Conclusion.CANCELLED)
    assert [stage.conclusion for stage in ended.stages] == [
        Conclusion.SUCCEEDED,
        Conclusion.CANCELLED,
        Conclusion.CANCELLED,
    ]
    with ground.storage.open(ended.stage("unit").attempts[0].log) as log:
        assert log.read() == b"2026-11-23T23:00:00.000Z said\n"
    assert ground.executor("scripted").leftovers(ground.settings.installation) == ()
    assert not (tmp_path / "runs" / run.id).exists()


def test_who_takes_the_run_up_in_the_same_moment_keeps_it(tmp_path: Path) -> None:
    ground = Ground(tmp_path, executor_name="scripted")
    seen = begun(ground, gone())
    ground.records.reopen_run(seen, this_process())
    with pytest.raises(RefusedError, match="taken up by another process"):
        cancel(ground, seen)
    assert ground.records.find_run(seen.id).state is RunState.RUNNING


def test_a_later_process_with_the_same_pid_is_left_alone(
    other: tuple[subprocess.Popen[str], Runner], tmp_path: Path
) -> None:
    process, runner = other
    ground = Ground(tmp_path, executor_name="scripted")
    assert cancel(ground, begun(ground, replace(runner, started_ticks=runner.started_ticks + 1))) is None
    assert process.poll() is None


@pytest.mark.parametrize(
    ("run", "message"),
    [
        pytest.param(
            replace(run_by(this_process()), state=RunState.DONE, conclusion=Conclusion.FAILED),
            "run 41 is over: failed",
            id="over",
        ),
        pytest.param(run_by(replace(gone(), host="ci-7")), "run 41 runs on host 'ci-7'", id="another-host"),
    ],
)
def test_what_cannot_be_stopped_is_said(run: Run, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        cancel(Ground(tmp_path), run)


def test_this_process_is_alive_on_this_host(tmp_path: Path) -> None:
    run = Ground(tmp_path).begin()
    assert run.runner is not None
    assert (run.runner.host, life_of(run.runner)) == (socket.gethostname(), Life.ALIVE)


def test_the_process_learns_who_asked_it_to_stop(tmp_path: Path, other: tuple[subprocess.Popen[str], Runner]) -> None:
    process, runner = other
    ground = Ground(tmp_path)
    run = ground.begin(runner=runner, stages=(running("unit"),))
    claim(tmp_path / "runs" / run.id, runner)
    ending = cancel(ground, run, by="anna")
    assert ending is not None
    ending.close()
    assert process.wait(20) == 7
    assert asked_by(tmp_path) == ""  # it is not this process that was asked
    claim(tmp_path / "runs" / run.id, this_process())
    assert asked_by(tmp_path) == "cancelled by anna"
    assert asked_by(tmp_path) == ""  # an answer is given once


def test_a_run_without_process_is_recorded_as_cancelled_by_whom(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.executors["docker"] = ground.executors["scripted"]
    run = ground.begin(runner=gone(), stages=(running("unit"),))
    assert cancel(ground, run, by="anna") is None
    (stage,) = ground.records.find_run(run.id).stages
    assert stage.outcome is not None
    assert stage.outcome.reason == "cancelled by anna while no process ran it"
