"""Ctrl-C and SIGTERM while a run is under way: the first stops it tidily, one more after a Ctrl-C kills and leaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

from pipeline.ports.cancellation import Cancellation

_REASONS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated by a signal",
    signal.SIGHUP: "its terminal was closed",
}


@contextmanager
def stopping(cancel: Cancellation, *, note: Callable[[str], None], asked_by: Callable[[], str] = str) -> Iterator[None]:
    """Turn the first signal into a cancellation, a second Ctrl-C into KeyboardInterrupt in the main thread.

    GitHub Actions cancels with SIGINT and, when that takes long, SIGTERM: behind a SIGINT every signal counts as the
    second Ctrl-C. Behind a SIGTERM only a Ctrl-C does, for several hosts send SIGTERM and SIGHUP more than once.
    The cancelling itself is done in a thread of its own: the handler interrupts the main thread anywhere, also where
    that holds a lock which a note or a callback needs. The handlers of before are put back at the end.
    Once the run has ended or was killed, and what it made is being removed and recorded, a Ctrl-C waits for that.
    `asked_by` tells whose wish a SIGTERM is, or "".
    """
    asked: SimpleQueue[str | None] = SimpleQueue()
    first: int | None = None
    patient = True

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signal module's signature
        nonlocal first, patient
        if first is None:
            first = number
            asked.put(_REASONS[signal.Signals(number)])
        elif signal.SIGINT in (number, first) and cancel.clearing and patient:
            patient = False
        elif signal.SIGINT in (number, first):
            raise KeyboardInterrupt

    def serve() -> None:
        if (reason := asked.get()) is not None:
            note("cancelling tidily; Ctrl-C again kills and leaves")
            cancel.cancel((asked_by() if first == signal.SIGTERM else "") or reason)

    thread = threading.Thread(target=serve, name="stopping", daemon=True)
    before = {number: signal.signal(number, stop) for number in _REASONS}
    thread.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        asked.put(None)
        thread.join()
