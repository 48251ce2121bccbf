"""What targets said when they were last asked: for pages that must not wait for one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.errors import EcluseError
from pipeline.operations.drifting import Drift, drifts
from pipeline.operations.inspect import live_releases, removals
from pipeline.ports.application import Application

LOOK_EVERY = 20.0
"""Seconds between two looks at whom to ask."""
AGAIN = 300.0
"""Seconds after which the targets of a repository are asked again."""
_LOOKED_THROUGH = 500
"""Newest releases whose repositories are asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What one environment's target said, and when."""

    repository: str
    drift: Drift
    time: datetime


class DriftWatch:
    """Asks the targets one after the other, as a round of the server, and whenever somebody wants to know it now. Safe
    for several threads; each process knows what it asked itself."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Asked] = {}
        self._looked: dict[str, float] = {}

    def ask(self, repository: str, environment: str) -> Drift:
        """Ask now. NotFoundError where nothing was deployed there."""
        found = drifts(self._app, repository=repository, environment=environment)[0]
        with self._lock:
            self._known[repository, environment] = self._asked(repository, found)
        return found

    def round(self) -> None:
        """Ask for those repositories that were not asked for lately; what is live nowhere any more is forgotten."""
        releases = self._app.records.releases(limit=_LOOKED_THROUGH)
        for repository in dict.fromkeys(release.repository for release in releases):
            now = self._app.clock.monotonic()
            if now - self._looked.get(repository, float("-inf")) < AGAIN:
                continue
            self._looked[repository] = now
            try:
                found = drifts(self._app, repository=repository)
            except EcluseError:
                continue  # the next time; what was known is as old as it says
            with self._lock:
                for key in [key for key in self._known if key[0] == repository]:
                    del self._known[key]
                self._known.update({(repository, item.environment): self._asked(repository, item) for item in found})

    def drifted(self) -> Sequence[Asked]:
        """Where something else ran than the ledger said, and what it says is live there still; the newest first. Asks
        the records, and no target."""
        with self._lock:
            found = [item for item in self._known.values() if item.drift.differences]
        return sorted(filter(self._counts, found), key=lambda item: item.time, reverse=True)

    def _counts(self, item: Asked) -> bool:
        promotions = self._app.records.promotions(
            repository=item.repository, environment=item.drift.environment, limit=20
        )
        live = live_releases(promotions, removals(self._app.records, promotions)).get(item.drift.environment)
        return live is not None and live.id == item.drift.promotion.id

    def _asked(self, repository: str, found: Drift) -> Asked:
        return Asked(repository=repository, drift=replace(found, observed=None), time=self._app.clock.now())
