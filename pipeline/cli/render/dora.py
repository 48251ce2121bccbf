"""The four figures of delivery, with the value stream as bars."""

from __future__ import annotations

from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import count, duration
from pipeline.delivery.dora import Dora, Step

BAR = 30
"""Cells of the longest bar."""


def dora_lines(found: Dora, *, width: int) -> list[Line]:
    """A row a figure: its value, and what it is made of."""
    days = round((found.until - found.since).total_seconds() / 86_400)
    rows: list[list[str | Piece]] = [
        [
            "deployment frequency",
            (_frequency(found), "bold"),
            (f"{count(found.deployments, 'deployment')} in {count(days, 'day')}", "dim"),
        ],
        [
            "lead time for changes",
            (_time(found.lead_time), "bold"),
            (f"median of {count(found.changes, 'commit')}, from the commit to its deployment", "dim"),
        ],
        [
            "change failure rate",
            (_rate(found.failure_rate), "bold"),
            (f"{count(found.failures, 'deployment')} failed, went back, or was rolled back", "dim"),
        ],
        ["time to restore", (_time(found.restore), "bold"), (f"median of {found.restored}", "dim")],
    ]
    lines = [line((found.environment, "bold"), (f" over the last {count(days, 'day')}", "dim")), *columns(rows)]
    if found.stream:
        longest = max(step.seconds for step in found.stream)
        lines += [line(), line(("value stream", "bold"), (" (medians)", "dim"))]
        lines += columns([_bar(step, longest) for step in found.stream])
    return [fitted(entry, width) for entry in lines]


def _bar(step: Step, longest: float) -> list[str | Piece]:
    cells = max(round(BAR * step.seconds / longest), 1) if longest > 0 else 1
    return [step.name, duration_long(step.seconds), ("▇" * cells, "accent"), (count(step.releases, "release"), "dim")]


def _frequency(found: Dora) -> str:
    if found.deployments == 0:
        return "none"
    if found.per_day >= 1:
        return f"{found.per_day:.1f} a day"
    per_week = found.per_day * 7
    return f"{per_week:.1f} a week" if per_week >= 1 else f"{found.per_day * 30:.1f} a month"


def _time(seconds: float | None) -> str:
    return "nothing measured" if seconds is None else duration_long(seconds)


def _rate(rate: float | None) -> str:
    return "nothing measured" if rate is None else f"{rate * 100:.0f}%"


def duration_long(seconds: float) -> str:
    """Like `duration`, with days: `3d 04h`."""
    if seconds < 86_400:
        return duration(seconds)
    hours = round(seconds / 3600)
    return f"{hours // 24}d {hours % 24:02d}h"
