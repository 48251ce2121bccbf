"""Ctrl-C and SIGTERM while a run is under way: the first stops it tidily, a second Ctrl-C kills and leaves."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pipeline.ports.cancellation import Cancellation


@contextmanager
def stopping(cancel: Cancellation, *, note: Callable[[str], None]) -> Iterator[None]:
    """Turn the first signal into a cancellation, a second Ctrl-C into KeyboardInterrupt in the main thread.

    The handlers of before are put back at the end.
    """

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signal module's signature
        if not cancel.cancelled:
            note("cancelling tidily; Ctrl-C again kills and leaves")
            cancel.cancel("interrupted" if number == signal.SIGINT else "terminated by a signal")
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
