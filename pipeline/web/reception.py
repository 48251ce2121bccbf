"""Webhooks that wait to be on the disk: those that come in together are kept with one flush."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import NamedTuple

from pipeline.errors import EcluseError, RecordsError
from pipeline.model.incoming import HookDelivery
from pipeline.ports.intake import Intake

BATCH = 200
"""Deliveries of one transaction at most."""
BATCH_BYTES = 64 * 1024**2
"""And so many bytes of bodies, but always one."""


class _Waiting(NamedTuple):
    delivery: HookDelivery
    kept: asyncio.Future[bool]


class Reception:
    """One thread writes; while it flushes, the next ones gather. Belongs to one event loop."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._loop = asyncio.get_running_loop()
        self._line: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="webhooks", daemon=True)
        self._thread.start()

    async def keep(self, delivery: HookDelivery) -> bool:
        """On the disk when this returns; False where it was known. Raises what `Intake.receive` raises."""
        kept: asyncio.Future[bool] = self._loop.create_future()
        self._line.put(_Waiting(delivery, kept))
        return await kept

    def close(self) -> None:
        """Write what waits, and end."""
        self._line.put(None)
        self._thread.join()

    def _write(self) -> None:
        ends = False
        while not ends:
            waiting, ends = self._gathered()
            if waiting:
                results = self._kept(waiting)
                try:
                    self._loop.call_soon_threadsafe(_settle, waiting, results)
                except RuntimeError:  # the loop is closed: nobody waits for the answers any more
                    return

    def _gathered(self) -> tuple[list[_Waiting], bool]:
        """Those that wait now, at least one; whether it was told to end."""
        waiting: list[_Waiting] = []
        size = 0
        while not waiting or (not self._line.empty() and len(waiting) < BATCH and size < BATCH_BYTES):
            one = self._line.get()
            if one is None:
                return waiting, True
            waiting.append(one)
            size += len(one.delivery.body)
        return waiting, False

    def _kept(self, waiting: Sequence[_Waiting]) -> list[bool | EcluseError]:
        """Whether each was new. Where all together cannot be kept, each is tried alone: one may spoil it for all."""
        try:
            new = self._intake.receive_all([one.delivery for one in waiting])
        except Exception as error:  # noqa: BLE001  # the thread must live; whoever waits is told
            if len(waiting) > 1:
                return [self._kept([one])[0] for one in waiting]
            return [error if isinstance(error, EcluseError) else RecordsError(f"a webhook cannot be kept: {error}")]
        return [one.delivery.id in new for one in waiting]


def _settle(waiting: Sequence[_Waiting], results: Sequence[bool | EcluseError]) -> None:
    for one, result in zip(waiting, results, strict=True):
        if one.kept.done():
            continue  # whoever sent it has gone; it is kept all the same
        if isinstance(result, EcluseError):
            one.kept.set_exception(result)
        else:
            one.kept.set_result(result)
