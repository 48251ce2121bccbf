"""Trends of tests over runs: a line each with its course, its latest value, and how it changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from pipeline.cli.render.chart import sparkline
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, columns, line
from pipeline.cli.render.words import ago, count, duration, shape
from pipeline.model.history import RunMeasure, TestTime
from pipeline.operations.flaky import FlakyTest

_HISTORY = 30
"""Newest runs of a flaky test that are shown."""


def trend_lines(measures: Sequence[RunMeasure], *, title: str, unicode: bool) -> list[Line]:
    """A table of what the runs measured, which come newest first."""
    oldest_first = list(reversed(measures))
    rows = [
        _row("tests", oldest_first, lambda item: float(item.tests) if item.tests else None, _whole, unicode),
        _row("pass rate", oldest_first, lambda item: item.pass_rate, _percent, unicode),
        _row("test time", oldest_first, lambda item: item.test_seconds if item.tests else None, duration, unicode),
        _row(
            "coverage", oldest_first, lambda item: item.coverage.percent if item.coverage else None, _percent, unicode
        ),
        _row("run time", oldest_first, lambda item: item.seconds, duration, unicode),
    ]
    shown = [row for row in rows if row is not None]
    return [line((title, "bold"), f" · last {count(len(measures), 'run')}"), *columns(shown)]


def _row(
    name: str,
    measures: Sequence[RunMeasure],
    value: Callable[[RunMeasure], float | None],
    say: Callable[[float], str],
    unicode: bool,
) -> tuple[str | tuple[str, str], ...] | None:
    values = [value(item) for item in measures]
    known = [item for item in values if item is not None]
    if not known:
        return None
    change = known[-1] - known[-2] if len(known) > 1 else 0.0
    said = "" if abs(change) < 0.05 else f"{'+' if change > 0 else '-'}{say(abs(change))}"
    return f"  {name}", (sparkline(values, unicode=unicode), "accent"), (say(known[-1]), "bold"), (said, "dim")


def slowest_lines(tests: Sequence[TestTime]) -> list[Line]:
    """The tests that take longest."""
    if not tests:
        return []
    rows = [
        (
            f"  {duration(item.mean)}",
            (f"at most {duration(item.longest)}", "dim"),
            (item.stage, "dim"),
            one_line(f"{item.classname}::{item.name}" if item.classname else item.name),
        )
        for item in tests
    ]
    return [line(("slowest tests", "bold")), *columns(rows)]


def flaky_lines(tests: Sequence[FlakyTest], *, now: datetime) -> list[Line]:
    """The tests that change their mind, each with its history and what it said last."""
    lines: list[Line] = []
    for item in tests:
        held = line((f" · in quarantine until {item.until}", "waiting")) if item.until else ()
        lines.append(line(shape("warned"), f" {one_line(item.title)} ", (f"in {item.stage}", "dim")) + held)
        lines.append(
            line(
                f"    failed in {item.failed} of {count(item.runs, 'run')} ({item.rate:.0f}%), ",
                f"{count(item.flips, 'time')} with no change, ",
                (f"last in run {item.last_run}, {ago(item.last, now)}", "dim"),
            )
        )
        lines.append(line("    ", (item.history[-_HISTORY:], "accent"), (f"  {one_line(item.message)}", "dim")))
    return lines


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _percent(value: float) -> str:
    return f"{value:.1f}%"
