"""Times, sizes, exit statuses and terminals in words."""

from __future__ import annotations

import io
import os
import pty
from dataclasses import replace
from datetime import timedelta

import pytest
from recorded import BEGIN, SHOP, ended, plan_of, run_of

from pipeline.cli.render.lines import columns, fitted, line, plain, written
from pipeline.cli.render.terminal import PIPE, terminal_of
from pipeline.cli.render.words import ago, duration, size
from pipeline.cli.verdict import exit_code
from pipeline.model.outcome import Effect, failed
from pipeline.model.run import StageRun
from pipeline.model.status import Conclusion, RunState


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        pytest.param(None, "", id="unknown"),
        pytest.param(0.04, "0.0s", id="nothing"),
        pytest.param(9.94, "9.9s", id="tenths"),
        pytest.param(9.96, "10s", id="no-ten-point-zero"),
        pytest.param(59.6, "1m 00s", id="a-minute"),
        pytest.param(185, "3m 05s", id="minutes"),
        pytest.param(3599.6, "1h 00m", id="an-hour"),
        pytest.param(90_000, "25h 00m", id="a-day"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        pytest.param(0, "0 B", id="none"),
        pytest.param(1023, "1023 B", id="bytes"),
        pytest.param(1024, "1.0 KiB", id="kib"),
        pytest.param(5 * 2**40, "5120.0 GiB", id="tib"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        pytest.param(3, "just now", id="seconds"),
        pytest.param(60, "1 min ago", id="a-minute"),
        pytest.param(3569, "59 min ago", id="nearly-an-hour"),
        pytest.param(3600, "1 h ago", id="an-hour"),
        pytest.param(86_400, "yesterday", id="a-day"),
        pytest.param(-7200, "in 2 h", id="to-come"),
        pytest.param(86_400 * 5, "5 days ago", id="days"),
        pytest.param(86_400 * 40, "2026-10-14", id="a-date"),
    ],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert ago(BEGIN - timedelta(seconds=seconds), BEGIN) == words


@pytest.mark.parametrize(
    ("conclusion", "effects", "code"),
    [
        pytest.param(Conclusion.SUCCEEDED, (), 0, id="succeeded"),
        pytest.param(Conclusion.WARNED, (), 0, id="warned"),
        pytest.param(None, (), 0, id="parked"),
        pytest.param(Conclusion.FAILED, (Effect.NONE,), 1, id="failed"),
        pytest.param(Conclusion.TIMED_OUT, (), 1, id="timed-out"),
        pytest.param(Conclusion.ERRORED, (Effect.ROLLED_BACK,), 3, id="errored"),
        pytest.param(Conclusion.FAILED, (Effect.REFUSED,), 4, id="refused"),
        pytest.param(Conclusion.FAILED, (Effect.REFUSED, Effect.ROLLED_BACK), 5, id="rolled-back"),
        pytest.param(Conclusion.CANCELLED, (Effect.ROLLED_BACK,), 130, id="cancelled"),
    ],
)
def test_exit_codes(conclusion: Conclusion | None, effects: tuple[Effect, ...], code: int) -> None:
    run = run_of(plan_of(SHOP))
    run = ended(run, conclusion) if conclusion is not None else replace(run, state=RunState.PARKED)
    stages = tuple(
        StageRun(name=f"s{index}", kind="deploy", outcome=failed("no", effect=effect))
        for index, effect in enumerate(effects)
    )
    assert exit_code(replace(run, stages=stages)) == code


@pytest.mark.parametrize(
    ("variables", "live", "colour"),
    [
        pytest.param({"TERM": "xterm"}, True, True, id="a-terminal"),
        pytest.param({"TERM": "xterm", "NO_COLOR": "1"}, True, False, id="no-color"),
        pytest.param({"TERM": "xterm", "NO_COLOR": ""}, True, True, id="empty-no-color"),
        pytest.param({"TERM": "xterm", "CI": "true"}, False, False, id="ci"),
        pytest.param({"TERM": "xterm", "CI": "false"}, True, True, id="not-ci"),
        pytest.param({"TERM": "dumb"}, False, False, id="dumb"),
        pytest.param({}, False, False, id="no-term"),
    ],
)
def test_what_a_terminal_can_show(variables: dict[str, str], live: bool, colour: bool) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        terminal = terminal_of(stream, variables)
    os.close(ours)
    assert (terminal.live, terminal.colour, terminal.interactive) == (live, colour, True)


def test_a_pipe_has_neither_colours_nor_a_width() -> None:
    terminal = terminal_of(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), {"TERM": "xterm"})
    assert (terminal.live, terminal.colour, terminal.width) == (False, False, 10_000)


def test_columns_align_by_cells_not_characters() -> None:
    rows = [["水門", ("1", "dim"), "end"], ["lock", ("200", "dim"), "end"]]
    assert [plain(entry) for entry in columns(rows, right=frozenset({1}))] == ["水門    1  end", "lock  200  end"]


def test_a_line_is_cut_with_an_ellipsis_and_keeps_its_roles() -> None:
    assert fitted(line("abc", ("水門水門", "dim")), 8) == (("abc", ""), ("水門…", "dim"))


def test_colours_are_written_only_where_wanted() -> None:
    entry = line(("ok", "succeeded"), " then", ("", "failed"))
    assert written([entry], PIPE) == "ok then\n"
    assert written([entry], replace(PIPE, colour=True)) == "\x1b[32mok\x1b[0m then\n"
