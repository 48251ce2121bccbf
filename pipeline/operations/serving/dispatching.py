"""Deliveries are looked at as they come in, those of one repository in their order, and never by guess twice."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.errors import EcluseError
from pipeline.model.incoming import HookDelivery
from pipeline.operations.serving.judging import ends_of, judge
from pipeline.ports.application import Application

LOOK_EVERY = 0.5
"""Seconds between two looks for deliveries, where nothing tells of them."""
_PATIENCE = 3600.0
"""Seconds for which a repository that cannot be reached is asked again."""
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 120.0
_LOOK = 500
_LOT = 20
"""So many deliveries of one repository are decided before it is another's turn."""
_AT_ONCE = 4
"""So many repositories are asked at the same time."""


@dataclass(slots=True)
class _Wait:
    """A repository that could not be reached: since when, until when, and how long after that."""

    since: float
    until: float
    pause: float


class Dispatcher:
    """Decides deliveries. Two servers may do this over one database: each delivery is decided once."""

    def __init__(self, app: Application, *, note: Callable[[str], None] = lambda _: None) -> None:
        self._app = app
        self._note = note
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dispatch")
        self._busy: set[str] = set()
        self._waits: dict[str, _Wait] = {}
        self._lock = threading.Lock()

    def round(self) -> None:
        """Begin with every repository that has undecided deliveries and is not being looked at."""
        now = self._app.clock.monotonic()
        with self._lock:
            left = self._busy | {name for name, wait in self._waits.items() if now < wait.until}
        groups: dict[str, list[HookDelivery]] = defaultdict(list)
        for delivery in self._app.intake.undecided(limit=_LOOK, without=left):
            groups[delivery.repository].append(delivery)
        for name, deliveries in groups.items():
            with self._lock:
                self._busy.add(name)
            self._pool.submit(self._work, name, deliveries[:_LOT])

    def close(self) -> None:
        """End with what is under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, name: str, deliveries: Sequence[HookDelivery]) -> None:
        try:
            for delivery in deliveries:
                if not self.decide(delivery):
                    break
            else:
                self._waits.pop(name, None)
        except EcluseError as error:
            self._note(f"deliveries of {name}: {error.message}")
        except Exception as error:  # noqa: BLE001 - a thread of a server must outlive a mistake of ours
            self._note(f"deliveries of {name}: defect in Écluse: {type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._busy.discard(name)

    def decide(self, delivery: HookDelivery) -> bool:
        """Decide one; False where it has to wait for its repository to be reachable."""
        try:
            found = judge(self._app, delivery)
        except EcluseError as error:
            if error.transient and self._waits_on(delivery.repository):
                self._note(f"delivery {delivery.id} of {delivery.repository} waits: {error.message}")
                return False
            self._app.intake.decide(delivery.id, f"failed: {error.message}")
            return True
        self._app.intake.decide(delivery.id, found.said, work=found.work, ends=ends_of(found))
        return True

    def _waits_on(self, name: str) -> bool:
        now = self._app.clock.monotonic()
        wait = self._waits.get(name)
        if wait is None:
            self._waits[name] = _Wait(since=now, until=now + _FIRST_PAUSE, pause=_FIRST_PAUSE)
            return True
        if now - wait.since > _PATIENCE:
            del self._waits[name]
            return False
        wait.pause = min(wait.pause * 2, _LONGEST_PAUSE)
        wait.until = now + wait.pause
        return True
