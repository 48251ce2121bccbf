"""Small charts of numbers over time: a line of blocks, or of signs where a terminal has no blocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, line
from pipeline.cli.render.words import shape
from pipeline.model.release import Measurement, conclusions

_BARS: Final = "▁▂▃▄▅▆▇█"
_ASCII: Final = "_.-~=+*#"
_WIDEST: Final = 40
"""Characters of a chart of measurements; more samples share one, which shows the greatest of them."""


def sparkline(values: Sequence[float | None], *, unicode: bool) -> str:
    """One character a value between the least and the greatest; a space where there is none."""
    bars = _BARS if unicode else _ASCII
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = high - low
    return "".join(" " if value is None else bars[round((value - low) / span * 7) if span else 3] for value in values)


def thinned(values: Sequence[float | None], *, width: int) -> Sequence[float | None]:
    """At most `width` values: the greatest of each of so many equal parts."""
    if len(values) <= width:
        return values
    edges = [index * len(values) // width for index in range(width + 1)]
    parts = [values[start:end] for start, end in pairwise(edges)]
    return [max((value for value in part if value is not None), default=None) for part in parts]


def chart_lines(measurements: Sequence[Measurement]) -> list[Line]:
    """A line for each check that gave numbers: its chart, its least, greatest and last number, and what is wanted."""
    lines: list[Line] = []
    for last in conclusions(measurements):
        samples = [item for item in measurements if item.check == last.check and item.query]
        numbers = [item.value for item in samples if item.value is not None]
        if len(samples) < 2 or not numbers:
            continue
        wanted = next((item.wanted for item in reversed(samples) if item.wanted), "")
        range_of = f"{min(numbers):.4g} … {max(numbers):.4g}, last {numbers[-1]:.4g}"
        old = next((item.baseline for item in reversed(samples) if item.baseline is not None), None)
        before = f", old version {old:.4g}" if old is not None else ""
        lines.append(
            line(
                shape("succeeded" if last.passed else "failed"),
                f" {one_line(last.check)} ",
                (sparkline(thinned([item.value for item in samples], width=_WIDEST), unicode=True), "accent"),
                (f" {range_of}{before}" + (f", wants {one_line(wanted)}" if wanted else ""), "dim"),
            )
        )
    return lines
