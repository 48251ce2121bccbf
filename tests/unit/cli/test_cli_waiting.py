"""What each view shows of a run that grows, waits for its group, and parks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from recorded import Stopwatch, plan_of, run_of

from pipeline.cli.render.events import JsonEvents
from pipeline.cli.render.lines import plain
from pipeline.cli.render.plain import PlainLines
from pipeline.cli.render.progress import RunProgress
from pipeline.cli.render.screen import frame
from pipeline.cli.render.terminal import PIPE
from pipeline.model.definition import When
from pipeline.model.outcome import succeeded
from pipeline.model.plan import Plan
from pipeline.model.run import StageRun
from pipeline.model.status import RunState, StageState
from pipeline.ports.observer import Observer

PARKED = "a person has to start it"


def manual(plan: Plan, name: str) -> Plan:
    stages = (
        replace(item, stage=replace(item.stage, when=When(manual=True))) if item.stage.name == name else item
        for item in plan.stages
    )
    return replace(plan, stages=tuple(stages))


def story(view: Observer) -> None:
    """A run that waits for another, whose stage emits two, one of which a person has to start."""
    before = plan_of([("split", "run", ())])
    after = manual(plan_of([("split", "run", ()), ("one", "run", ("split",)), ("two", "run", ("one",))]), "two")
    run = run_of(before, number=41)
    split = StageRun(name="split", kind="run")
    one, two = StageRun(name="one", kind="run"), StageRun(name="two", kind="run", parked=PARKED)
    view.run_started(run, before)
    view.run_moved(run.id, RunState.QUEUED, "waits for group 'site': run 40 is in it")
    view.run_moved(run.id, RunState.RUNNING, "")
    view.stage_moved(run.id, split, StageState.PREPARING)
    view.plan_extended(run.id, after, (one, two))
    view.stage_finished(run.id, split, succeeded())
    view.stage_finished(run.id, one, succeeded())
    view.stage_parked(run.id, two)
    view.run_noted(run.id, "notified json://chat.example.org: succeeded")
    view.run_finished(replace(run, state=RunState.PARKED, stages=(split, one, two)))


def test_plain_lines() -> None:
    out, stopwatch = io.BytesIO(), Stopwatch()
    story(PlainLines(out, PIPE, stopwatch=stopwatch))
    assert out.getvalue().decode().splitlines()[1:] == [
        "· waits for group 'site': run 40 is in it",
        "◐ split starts",
        "○ 2 more stages: one, two",
        "● split succeeded in 0.0s: exit 0",
        "● one succeeded: exit 0",
        "○ two waits: a person has to start it",
        "· notified json://chat.example.org: succeeded",
        "",
        "○ two waits: a person has to start it",
        "  start it: ecluse resume 41 --start two",
        "",
        "○ shop #41 parked in 0.0s: 2 succeeded, 1 waiting",
        "  it goes on with: ecluse resume 41",
    ]


def test_json_events() -> None:
    out = io.BytesIO()
    story(JsonEvents(out))
    events = [json.loads(row) for row in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == [
        "run_started",
        "run_moved",
        "run_moved",
        "stage_moved",
        "plan_extended",
        "stage_finished",
        "stage_finished",
        "stage_parked",
        "note",
        "run_finished",
    ]
    assert [item["name"] for item in events[4]["stages"]] == ["one", "two"]
    assert (events[1]["state"], events[1]["waits_for"]) == ("queued", "waits for group 'site': run 40 is in it")
    assert events[7]["waits_for"] == PARKED
    assert events[9]["waits_for"] == {"two": PARKED}


@pytest.mark.parametrize(
    ("act", "row"),
    [
        pytest.param(str, "○ two", id="not-yet"),
        pytest.param(
            lambda progress: progress.stage_parked(StageRun(name="two", kind="run", parked=PARKED)),
            "○ two  run               waits: a person has to start it",
            id="parked",
        ),
    ],
)
def test_the_picture(act: Callable[[RunProgress], object], row: str) -> None:
    progress = RunProgress(Stopwatch())
    before = plan_of([("one", "run", ())])
    run = run_of(before)
    progress.run_started(run, before)
    progress.plan_extended(plan_of([("one", "run", ()), ("two", "run", ("one",))]), ())
    act(progress)
    rows = [plain(line).rstrip() for line in frame(progress, run, width=80, height=10, tick=0)]
    assert rows[2].startswith(row)
