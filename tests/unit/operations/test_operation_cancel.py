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
from ground import NOW, Ground, gone

from pipeline.errors import UsageError
from pipeline.model.run import Run, Runner
from pipeline.model.status import Conclusion, RunState
from pipeline.operations.cancel import cancel
from pipeline.operations.runner_process import Life, life_of, this_process

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


def test_the_process_is_asked_to_stop_and_its_end_can_be_awaited(other: tuple[subprocess.Popen[str], Runner]) -> None:
    process, runner = other
    assert life_of(runner) is Life.ALIVE
    ending = cancel(run_by(runner))
    assert ending.wait(20)
    ending.close()
    assert process.wait(20) == 7
    assert life_of(runner) is Life.GONE


def test_a_later_process_with_the_same_pid_is_left_alone(other: tuple[subprocess.Popen[str], Runner]) -> None:
    process, runner = other
    with pytest.raises(UsageError, match="run 41 has no process any more") as raised:
        cancel(run_by(replace(runner, started_ticks=runner.started_ticks + 1)))
    assert "ecluse gc --abandon" in raised.value.hint
    assert process.poll() is None


@pytest.mark.parametrize(
    ("run", "message"),
    [
        pytest.param(
            replace(run_by(this_process()), state=RunState.DONE, conclusion=Conclusion.FAILED),
            "run 41 is over: failed",
            id="over",
        ),
        pytest.param(run_by(None), "run 41 has no process any more", id="no-runner"),
        pytest.param(run_by(replace(gone(), boot="earlier")), "run 41 has no process any more", id="rebooted"),
        pytest.param(run_by(replace(gone(), host="ci-7")), "run 41 runs on host 'ci-7'", id="another-host"),
    ],
)
def test_what_cannot_be_stopped_is_said(run: Run, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cancel(run)


def test_this_process_is_alive_on_this_host(tmp_path: Path) -> None:
    run = Ground(tmp_path).begin()
    assert run.runner is not None
    assert (run.runner.host, life_of(run.runner)) == (socket.gethostname(), Life.ALIVE)
