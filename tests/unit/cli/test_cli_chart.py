"""Charts of measurements: what a person sees of samples over time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.render.chart import chart_lines, sparkline, thinned
from pipeline.cli.render.lines import written
from pipeline.cli.render.terminal import PIPE
from pipeline.model.release import Measurement

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def measured(*values: float | None, passed: bool = True, baseline: float | None = None) -> list[Measurement]:
    return [
        Measurement(
            check="errors", passed=passed, seen=str(value), wanted="below 0.1", time=NOON, query="sum(e)", value=value,
            baseline=baseline,
        )
        for value in values
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("measurements", "unicode", "words"),
    [
        pytest.param(
            measured(0.01, 0.02, 0.08), True, "● errors ▁▂█ 0.01 … 0.08, last 0.08, wants below 0.1\n", id="up"
        ),
        pytest.param(
            measured(0.01, 0.02, 0.08), False, "* errors _.@ 0.01 ... 0.08, last 0.08, wants below 0.1\n", id="plain"
        ),
        pytest.param(
            measured(0.02, None, 0.2, passed=False), True,
            "✕ errors ▁ █ 0.02 … 0.2, last 0.2, wants below 0.1\n", id="a-gap",
        ),
        pytest.param(
            measured(0.05, 0.05, baseline=0.04), True,
            "● errors ▄▄ 0.05 … 0.05, last 0.05, old version 0.04, wants below 0.1\n", id="level",
        ),
        pytest.param(measured(0.05), True, "", id="one-is-no-chart"),
        pytest.param(measured(None, None), True, "", id="no-number"),
        pytest.param(
            [Measurement(check="http", passed=True, seen="200", wanted="200", time=NOON)] * 3, True, "", id="no-query"
        ),
    ],
)  # fmt: skip
def test_a_line_of_samples(measurements: list[Measurement], unicode: bool, words: str) -> None:
    terminal = replace(PIPE, unicode=unicode)
    assert written(chart_lines(measurements), terminal) == words


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=500))
def test_a_long_time_is_thinned_without_losing_its_peak(values: list[float | None]) -> None:
    shown = thinned(values, width=40)
    assert len(shown) == min(len(values), 40)
    numbers = [value for value in values if value is not None]
    if numbers:
        assert max(value for value in shown if value is not None) == max(numbers)
    assert len(sparkline(shown, unicode=True)) in (len(shown), 0)
