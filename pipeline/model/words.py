"""Times, sizes and states in the words and shapes that people read, on a terminal as on a page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.model.status import Conclusion, PromotionState, RunState, StageState

SHAPES: Mapping[str, str] = {"succeeded": "●", "running": "◐", "waiting": "○", "failed": "✕", "warned": "▲"}
"""The five states by shape; their colours are the roles or classes of the same names."""

_OF_CONCLUSION: Mapping[Conclusion, str] = {
    Conclusion.SUCCEEDED: "succeeded",
    Conclusion.WARNED: "warned",
    Conclusion.SKIPPED: "waiting",
    Conclusion.BLOCKED: "waiting",
    Conclusion.FAILED: "failed",
    Conclusion.TIMED_OUT: "failed",
    Conclusion.CANCELLED: "failed",
    Conclusion.ERRORED: "failed",
}
_OF_PROMOTION: Mapping[PromotionState, str] = {
    PromotionState.PLANNED: "waiting",
    PromotionState.WAITING: "waiting",
    PromotionState.LOCKED: "running",
    PromotionState.ROLLING_OUT: "running",
    PromotionState.VERIFYING: "running",
    PromotionState.DEPLOYED: "succeeded",
    PromotionState.ROLLED_BACK: "failed",
    PromotionState.PARTIAL: "failed",
    PromotionState.REFUSED: "failed",
    PromotionState.SUPERSEDED: "warned",
    PromotionState.FAILED: "failed",
}


def stage_look(state: StageState, conclusion: Conclusion | None) -> str:
    """Which of the five states a stage shows."""
    if conclusion is not None:
        return _OF_CONCLUSION[conclusion]
    return "waiting" if state in (StageState.WAITING, StageState.READY) else "running"


def run_look(state: RunState, conclusion: Conclusion | None) -> str:
    """Which of the five states a run shows."""
    if conclusion is not None:
        return _OF_CONCLUSION[conclusion]
    return "running" if state is RunState.RUNNING else "waiting"


def promotion_look(state: PromotionState) -> str:
    """Which of the five states a promotion shows."""
    return _OF_PROMOTION[state]


def spoken(text: object) -> str:
    """An enum's value as words: `timed_out` is `timed out`."""
    return str(text).replace("_", " ")


def duration(seconds: float | None) -> str:
    """`0.4s`, `12s`, `3m 05s`, `2h 10m`; "" for None."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}s"
    if seconds < 59.5:
        return f"{seconds:.0f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def size(count: int) -> str:
    """`512 B`, `4.2 KiB`, `1.0 GiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def ago(moment: datetime, now: datetime) -> str:
    """`just now`, `5 min ago`, `in 2 h`, `yesterday`, `12 days ago`, then the date."""
    seconds = (now - moment).total_seconds()
    if seconds < -45:
        return "in " + _span(-seconds) if seconds > -30 * 86_400 else moment.date().isoformat()
    if seconds < 45:
        return "just now"
    if 86_400 <= seconds < 2 * 86_400:
        return "yesterday"
    return f"{_span(seconds)} ago" if seconds < 30 * 86_400 else moment.date().isoformat()


def _span(seconds: float) -> str:
    if seconds < 3570:
        return f"{max(round(seconds / 60), 1)} min"
    if seconds < 86_400:
        return f"{max(round(seconds / 3600), 1)} h"
    days = int(seconds // 86_400)
    return "1 day" if days == 1 else f"{days} days"


def moment(time: datetime) -> str:
    """A time in UTC for people: `2026-11-23 23:05:41 UTC`."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def short(digest: str) -> str:
    """A digest or commit id at 12 characters."""
    return digest.removeprefix("sha256:")[:12]


def count(number: int, noun: str) -> str:
    """`1 stage`, `3 stages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
