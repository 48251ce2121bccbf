"""Measurements as small pictures: a line over time, its threshold, and a mark where a check said no."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model.release import Measurement, conclusions

WIDTH, HEIGHT = 480, 84
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One check. Points are in a picture of `WIDTH` times `HEIGHT`; `limit` is the height of the threshold."""

    check: str
    passed: bool
    seen: str
    wanted: str
    least: str
    greatest: str
    path: str
    points: tuple[tuple[float, float, bool], ...]
    limit: float | None
    times: int


def charts_of(measurements: Sequence[Measurement]) -> list[Chart]:
    """One a check, by what it gave as a number, else by how long the answer took."""
    return [
        _chart(last, [item for item in measurements if item.check == last.check]) for last in conclusions(measurements)
    ]


def _chart(last: Measurement, samples: Sequence[Measurement]) -> Chart:
    numeric = any(item.value is not None for item in samples)
    values = [(item.value if item.value is not None else 0.0) if numeric else item.seconds * 1000 for item in samples]
    found = _NUMBER.search(last.wanted) if numeric else None
    limit = float(found.group()) if found else None
    known = [*values, *([limit] if limit is not None else [])]
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    first = samples[0].time
    whole = (samples[-1].time - first).total_seconds() or 1.0

    def height(value: float) -> float:
        return round(HEIGHT - 8 - (HEIGHT - 16) * (value - low) / span, 1)

    points = tuple(
        (round(6 + (WIDTH - 12) * (item.time - first).total_seconds() / whole, 1), height(value), item.passed)
        for item, value in zip(samples, values, strict=True)
    )
    unit = "" if numeric else " ms"
    return Chart(
        check=last.check,
        passed=last.passed,
        seen=last.seen,
        wanted=last.wanted,
        least=f"{min(values):.4g}{unit}",
        greatest=f"{max(values):.4g}{unit}",
        path="M" + "L".join(f"{x} {y}" for x, y, _ in points),
        points=points,
        limit=height(limit) if limit is not None else None,
        times=len(samples),
    )
