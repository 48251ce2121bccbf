"""What `gc` removes, and what it must never touch."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ground import NOW, Ground, gone, running

from pipeline.model.outcome import succeeded
from pipeline.model.run import Attempt, Runner, StageRun
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.model.ulid import ulid
from pipeline.operations.prune import PruneRequest, prunable, prune
from pipeline.operations.runner_process import claim, this_process


def collect(ground: Ground, *, abandon: bool = False) -> list[str]:
    """Runs whose containers are removed."""
    found = prunable(ground, PruneRequest(abandon=abandon), ["scripted"], progress=lambda _: None)
    prune(ground, found, progress=lambda _: None)
    return [leftover.run for leftover in found.leftovers["scripted"]]


@pytest.mark.parametrize(
    ("runner", "age", "abandon", "goes"),
    [
        pytest.param(this_process(), timedelta(minutes=1), False, False, id="alive"),
        pytest.param(this_process(), timedelta(days=3), True, False, id="alive-for-days-and-abandon"),
        pytest.param(gone(), timedelta(hours=23), False, False, id="gone-but-resumable"),
        pytest.param(gone(), timedelta(hours=23), True, True, id="gone-and-abandon"),
        pytest.param(gone(), timedelta(hours=25), False, True, id="gone-long-ago"),
        pytest.param(replace(gone(), host="elsewhere"), timedelta(days=3), True, False, id="on-another-host"),
        pytest.param(replace(this_process(), boot="before"), timedelta(hours=1), True, True, id="before-a-reboot"),
    ],
)
def test_unfinished_runs(tmp_path: Path, runner: Runner, age: timedelta, abandon: bool, goes: bool) -> None:
    ground = Ground(tmp_path)
    run = ground.begin(age=age, runner=runner, stages=(running("unit"),))
    ground.leave_container(run.id)
    assert collect(ground, abandon=abandon) == ([run.id] if goes else [])
    assert (ground.records.find_run(run.id).state is RunState.DONE) is goes
    assert len(ground.executors["scripted"].leftovers(ground.settings.installation)) == (0 if goes else 1)


def test_an_abandoned_run_is_recorded_as_what_it_is(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    done = StageRun(name="build", kind="run", state=StageState.DONE, outcome=succeeded(), started=NOW, finished=NOW)
    stages = (done, running("unit", Attempt(number=1, started=NOW)), StageRun(name="push", kind="run"))
    run = ground.begin(runner=gone(), stages=stages)
    for stage in stages:
        ground.records.save_stage(run.id, stage)
    collect(ground, abandon=True)
    closed = ground.records.find_run(run.id)
    assert (closed.state, closed.conclusion, closed.finished) == (RunState.DONE, Conclusion.ERRORED, NOW)
    assert [stage.conclusion for stage in closed.stages] == [
        Conclusion.SUCCEEDED,
        Conclusion.ERRORED,
        Conclusion.CANCELLED,
    ]
    assert closed.stage("unit").attempts[0].outcome is not None


@pytest.mark.parametrize(
    ("age", "abandon", "goes"),
    [
        pytest.param(timedelta(seconds=5), True, False, id="may-not-be-recorded-yet"),
        pytest.param(timedelta(minutes=5), True, True, id="abandon"),
        pytest.param(timedelta(hours=2), False, False, id="young"),
        pytest.param(timedelta(hours=25), False, True, id="old"),
    ],
)
def test_a_run_that_the_records_do_not_know(tmp_path: Path, age: timedelta, abandon: bool, goes: bool) -> None:
    ground = Ground(tmp_path)
    ground.leave_container(ulid(NOW - age, os.urandom(10)))
    assert len(collect(ground, abandon=abandon)) == goes


def test_another_installation_is_never_touched(tmp_path: Path) -> None:
    ours, theirs = Ground(tmp_path / "a"), Ground(tmp_path / "b")
    theirs.executors = ours.executors
    run = theirs.begin(runner=gone())
    theirs.leave_container(run.id)
    assert collect(ours, abandon=True) == []
    assert len(ours.executors["scripted"].leftovers(theirs.settings.installation)) == 1


def test_blobs_that_nobody_names_go_but_not_while_a_run_is_under_way(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    named, _ = ground.storage.put(io.BytesIO(b"the log of a recorded attempt"))
    lost, _ = ground.storage.put(io.BytesIO(b"of a run that was never recorded"))
    attempt = Attempt(number=1, started=NOW, finished=NOW, outcome=succeeded(), log=named)
    run = ground.begin(stages=(running("unit", attempt),))
    ground.records.save_stage(run.id, running("unit", attempt))
    collect(ground)
    assert ground.storage.has(lost)
    ground.records.update_run(run.id, state=RunState.DONE, conclusion=Conclusion.SUCCEEDED, finished=NOW)
    collect(ground)
    assert (ground.storage.has(named), ground.storage.has(lost)) == (True, False)


def test_log_folders_of_runs_that_are_over_go(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    alive, over = ground.begin(), ground.begin()
    ground.records.update_run(over.id, state=RunState.DONE, conclusion=Conclusion.FAILED, finished=NOW)
    for run in (alive, over):
        folder = tmp_path / "runs" / run.id
        folder.mkdir(parents=True)
        (folder / "unit.1.log").write_text("text\n")
    collect(ground, abandon=True)
    assert [folder.name for folder in (tmp_path / "runs").iterdir()] == [alive.id]


def test_finding_changes_nothing(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    run = ground.begin(runner=gone(), stages=(running("unit"),))
    ground.leave_container(run.id)
    found = prunable(ground, PruneRequest(abandon=True), ["scripted"], progress=lambda _: None)
    assert [item.id for item in found.runs] == [run.id]
    assert ground.records.find_run(run.id).state is RunState.RUNNING
    assert len(ground.executors["scripted"].leftovers(ground.settings.installation)) == 1


@pytest.mark.parametrize(
    ("runner", "goes"),
    [
        pytest.param(this_process(), False, id="alive"),
        pytest.param(gone(), True, id="killed-at-once"),
        pytest.param(replace(gone(), host="elsewhere"), False, id="on-another-host"),
    ],
)
def test_a_run_that_was_claimed_but_not_recorded_yet(tmp_path: Path, runner: Runner, goes: bool) -> None:
    ground = Ground(tmp_path)
    run = ulid(NOW - timedelta(seconds=1), os.urandom(10))
    claim(tmp_path / "runs" / run, runner)
    ground.leave_container(run)
    assert (collect(ground), collect(ground, abandon=True)) == ([], [run] if goes else [])
    assert (tmp_path / "runs" / run).exists() is not goes
