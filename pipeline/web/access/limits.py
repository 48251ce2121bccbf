"""How often somebody may be wrong: failures by account and by address, forgotten with time."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from starlette.exceptions import HTTPException

_KEYS = 20_000
"""So many names are remembered: ever new ones push out the oldest, and meet the limit of their address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """So many failures at once, and one more each `seconds`."""

    failures: int
    seconds: float


class Limit:
    """Failures of names under one allowance: a leaky bucket for each. Safe for several threads."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._levels: OrderedDict[str, tuple[float, datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, name: str, now: datetime) -> None:
        """429 with `Retry-After` for a name that failed too often."""
        with self._lock:
            over = self._level(name, now) - self._allowance.failures + 1
        self._refuse(over)

    def failed(self, name: str, now: datetime) -> None:
        """One more."""
        with self._lock:
            self._count(name, now)

    def take(self, name: str, now: datetime) -> None:
        """Count an attempt before it is known to fail, so that many at once are as many; 429 as `check`."""
        with self._lock:
            over = self._level(name, now) - self._allowance.failures + 1
            if over <= 0:
                self._count(name, now)
        self._refuse(over)

    def give_back(self, name: str, now: datetime) -> None:
        """The attempt was none: it was right."""
        with self._lock:
            self._levels[name] = (max(0.0, self._level(name, now) - 1), now)

    def allows(self, name: str, now: datetime) -> bool:
        """As `take`, for whoever only drops what is too much."""
        try:
            self.take(name, now)
        except HTTPException:
            return False
        return True

    def _refuse(self, over: float) -> None:
        if over > 0:
            wait = max(1, math.ceil(over * self._allowance.seconds))
            raise HTTPException(429, "too many attempts: wait a while", headers={"Retry-After": str(wait)})

    def _count(self, name: str, now: datetime) -> None:
        self._levels[name] = (self._level(name, now) + 1, now)
        self._levels.move_to_end(name)
        while len(self._levels) > _KEYS:
            self._levels.popitem(last=False)

    def _level(self, name: str, now: datetime) -> float:
        level, then = self._levels.get(name, (0.0, now))
        return max(0.0, level - max(0.0, (now - then).total_seconds()) / self._allowance.seconds)


class Limits:
    """All that a server counts, in its own memory: several servers count each for itself."""

    def __init__(self) -> None:
        self.accounts = Limit(Allowance(failures=10, seconds=60))
        """Sign-in to one account, from wherever."""
        self.addresses = Limit(Allowance(failures=30, seconds=20))
        """Sign-in from one address, to whichever account."""
        self.tokens = Limit(Allowance(failures=30, seconds=10))
        """Wrong tokens from one address."""
        self.refusals = Limit(Allowance(failures=60, seconds=5))
        """Refusals of nobody in particular that the audit trail keeps, from one address."""


def limits_of(request: Request) -> Limits:
    """The server's."""
    found: Limits = request.app.state.limits
    return found
