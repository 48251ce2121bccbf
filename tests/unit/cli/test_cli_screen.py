"""The live picture: it always fits, and what matters is always in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import SHOP, Stopwatch, header, plan_of, run_of
from rich.cells import cell_len

from pipeline.cli.render.lines import plain
from pipeline.cli.render.progress import RunProgress
from pipeline.cli.render.screen import frame, last_picture
from pipeline.model.outcome import failed, succeeded
from pipeline.model.run import StageRun
from pipeline.model.status import StageState


def many(number: int, *, failing: int, running: int, done: int) -> tuple[RunProgress, Stopwatch]:
    """A run of so many stages: the first done, then running, one failed in the middle of the rest."""
    stopwatch = Stopwatch()
    progress = RunProgress(stopwatch)
    plan = plan_of([(f"stage_{index:03d}", "run", ()) for index in range(number)])
    progress.run_started(run_of(plan, number=3), plan)
    for index in range(number):
        stage = StageRun(name=f"stage_{index:03d}", kind="run")
        if index < done + running or index == failing:
            progress.stage_moved(stage, StageState.PREPARING)
            progress.stage_moved(stage, StageState.RUNNING)
        if index < done:
            progress.stage_finished(stage, succeeded())
        elif index == failing:
            progress.stage_finished(stage, failed("exit 2"))
        elif index < done + running:
            progress.stage_output(stage.name, header("make") + b"".join(b"row %d\n" % row for row in range(100)))
    return progress, stopwatch


def picture(progress: RunProgress, *, width: int, height: int) -> list[str]:
    """The picture as text."""
    assert progress.run is not None
    return [plain(entry).rstrip() for entry in frame(progress, progress.run, width=width, height=height, tick=0)]


def test_the_exact_picture_of_a_small_run() -> None:
    stopwatch = Stopwatch()
    progress = RunProgress(stopwatch)
    plan = plan_of(SHOP)
    progress.run_started(run_of(plan, number=41), plan)
    checkout, unit = StageRun(name="checkout", kind="checkout"), StageRun(name="unit", kind="test")
    progress.stage_moved(checkout, StageState.PREPARING)
    stopwatch.seconds += 0.4
    progress.stage_finished(checkout, succeeded("4f1c0de"))
    progress.stage_moved(unit, StageState.PREPARING)
    progress.stage_moved(unit, StageState.RUNNING)
    progress.stage_output("unit", header("pytest") + b"collected 2 items\n10%\r50%\n")
    stopwatch.seconds += 65
    assert picture(progress, width=72, height=24) == [
        "shop #41 · main 4f1c0de00000 · push",
        "● checkout  checkout    0.4s  4f1c0de",
        "◐ unit      test      1m 05s  $ pytest",
        "  │ collected 2 items",
        "  │ 50%",
        "○ lint      run",
        "○ image     build             needs unit",
        "○ docs      run",
        "1 of 5 done · 1 running · 1m 05s · Ctrl-C cancels",
    ]


@settings(max_examples=60, deadline=None)
@given(
    number=st.integers(1, 120),
    done=st.integers(0, 60),
    running=st.integers(0, 12),
    width=st.integers(1, 130),
    height=st.integers(1, 60),
)
def test_the_picture_fits_every_terminal(number: int, done: int, running: int, width: int, height: int) -> None:
    progress, _ = many(number, failing=number // 2, running=running, done=done)
    rows = picture(progress, width=width, height=height)
    assert len(rows) <= height
    assert all(cell_len(row) <= width for row in rows)


def test_of_500_stages_those_that_failed_and_run_are_shown_and_the_others_counted() -> None:
    progress, _ = many(500, failing=300, running=3, done=100)
    rows = picture(progress, width=80, height=24)
    assert len(rows) == 24
    assert [row[:11] for row in rows if row.startswith("◐")] == ["◐ stage_100", "◐ stage_101", "◐ stage_102"]
    assert any(row.startswith("✕ stage_300") for row in rows)
    assert any("100 succeeded" in row and "waiting not shown" in row for row in rows)
    assert rows[-1] == "101 of 500 done · 3 running · 0.0s · 1 failed · Ctrl-C cancels"


def test_one_running_stage_gets_the_room_for_its_tail() -> None:
    progress, _ = many(1, failing=5, running=1, done=0)
    rows = picture(progress, width=80, height=40)
    assert [row for row in rows if "│" in row] == [f"  │ row {row}" for row in range(88, 100)]


@pytest.mark.parametrize(("width", "kind"), [pytest.param(80, True, id="wide"), pytest.param(40, False, id="narrow")])
def test_a_narrow_terminal_leaves_the_kind_out(width: int, kind: bool) -> None:
    progress, _ = many(2, failing=1, running=1, done=0)
    assert any(" run " in row for row in picture(progress, width=width, height=24)) is kind


def test_wide_characters_count_for_two_cells() -> None:
    progress, _ = many(1, failing=5, running=1, done=0)
    progress.stage_output("stage_000", "水門".encode() * 40 + b"\n")
    assert max(cell_len(row) for row in picture(progress, width=41, height=24)) <= 41


def test_hostile_output_cannot_draw_on_the_picture() -> None:
    progress, _ = many(1, failing=5, running=1, done=0)
    progress.stage_output("stage_000", b"\x1b[2J\x1b[Hforged\x1b]0;t\x07\n")
    assert "  │ forged" in picture(progress, width=80, height=24)


def test_the_last_picture_of_many_stages_leaves_out_those_that_went_well() -> None:
    progress, _ = many(100, failing=99, running=0, done=99)
    assert progress.run is not None
    rows = [plain(entry) for entry in last_picture(progress, progress.run, width=80)]
    assert len(rows) == 3
    assert rows[2] == "● 99 more succeeded"
