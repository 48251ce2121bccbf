"""How long what was kept of failed stages stays: so many runs, so many hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipeline.settings import Settings

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.ports.executor import Leftover


def outlived(leftovers: Sequence[Leftover], settings: Settings, now: datetime) -> tuple[Leftover, ...]:
    """Of what was kept on purpose, that which may go: older than `keep_failed_hours`, or of a run that is not among
    the newest `keep_failed_most`."""
    newest: dict[str, datetime] = {}
    for item in leftovers:
        if item.kept is not None:
            newest[item.run] = max(item.kept, newest.get(item.run, item.kept))
    oldest_kept = now - timedelta(hours=settings.keep_failed_hours)
    ordered = sorted(newest, key=lambda run: newest[run], reverse=True)
    staying = {run for run in ordered[: max(0, settings.keep_failed_most)] if newest[run] > oldest_kept}
    return tuple(item for item in leftovers if item.kept is not None and item.run not in staying)
