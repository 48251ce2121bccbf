"""Hearing that somebody wants a promotion to stop: who goes back in its environment does not wait for its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.delivery.journal import PromotionJournal
from pipeline.errors import EcluseError
from pipeline.model.release import Promotion
from pipeline.ports.cancellation import Cancellation

EVERY = 1.0
"""Seconds between two looks at the ledger."""


@contextmanager
def stoppable(
    promotion: Promotion, journal: PromotionJournal, cancel: Cancellation, *, every: float = EVERY
) -> Iterator[Cancellation]:
    """What cancels the work inside: `cancel`, or the ledger, where somebody has asked for the promotion to stop.

    Records that do not answer stop nobody: they are asked again.
    """
    either, over = Cancellation(), threading.Event()

    def listen() -> None:
        while not over.wait(every):
            try:
                reason = journal.stop_asked(promotion)
            except EcluseError:
                continue
            if reason:
                either.cancel(reason)
                return

    listener = threading.Thread(target=listen, name=f"stop-{promotion.id}", daemon=True)
    with cancel.calling(lambda: either.cancel(cancel.reason, timed_out=cancel.timed_out)):
        listener.start()
        try:
            yield either
        finally:
            over.set()
            listener.join()
