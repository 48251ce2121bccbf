"""Time, injected so that decisions and tests own it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock and stopwatch."""

    def now(self) -> datetime:
        """The time in UTC, aware."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
