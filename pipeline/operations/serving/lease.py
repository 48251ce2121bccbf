"""Keeping a place in the queue while its run is made: renewed in time, given up at once when another has it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from pipeline.errors import EcluseError, LeaseLostError
from pipeline.model.work import WorkItem
from pipeline.ports.application import Application

LOOK_EVERY = 2.0
"""Seconds between two looks for somebody's wish to stop. Nothing tells of it: would every run listen to the queue,
each change of it would make each run look, and each would hold one more connection to the database."""
_PARTS = 3
"""A lease is renewed so many times before it would run out."""


class LeaseKeeper:
    """A thread that renews the lease of an item. `cancelled` is told who wants it stopped; `lost` that another has it,
    or may have it because the database has not answered for as long as the lease lasts."""

    def __init__(
        self,
        app: Application,
        item: WorkItem,
        *,
        cancelled: Callable[[str], None],
        lost: Callable[[str], None],
    ) -> None:
        self._app = app
        self._item = item
        self._cancelled = cancelled
        self._lost = lost
        self._seconds = app.settings.lease
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop renewing; the item is to be finished next."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        clock = self._app.clock
        renewed = clock.monotonic()
        told, first = False, True
        while not self._over.is_set():
            begun = clock.monotonic()
            renews = first or begun - renewed >= self._seconds / _PARTS
            try:
                now = self._renewed() if renews else self._app.queue.find(self._item.id)
            except LeaseLostError as error:
                self._give_up(error.message)
                return
            except EcluseError as error:
                if begun - renewed >= self._seconds:
                    self._give_up(error.message)
                    return
            else:
                first, renewed = False, begun if renews else renewed
                if (now.token, now.worker) != (self._item.token, self._item.worker):
                    self._give_up("another worker has it")
                    return
                if now.cancel and not told:
                    told = True
                    self._cancelled(now.cancel)
            self._over.wait(min(LOOK_EVERY, self._seconds / _PARTS))

    def _renewed(self) -> WorkItem:
        return self._app.queue.renew(self._item, seconds=self._seconds)

    def _give_up(self, why: str) -> None:
        if not self._over.is_set():
            self._lost(why)
