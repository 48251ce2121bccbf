"""Cancelling: one flag with a reason that many threads watch without polling."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.errors import CancelledError


class Cancellation:
    """Set once, never taken back. Callbacks run in the cancelling thread, each at most once, and must not block.

    `timed_out` tells a passed deadline from a person's wish.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next = 0
        self.reason = ""
        self.timed_out = False
        self.clearing = False
        """Whether the work has ended and what it made is being removed and recorded: a second wish changes nothing."""

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants this work stopped."""
        return self._event.is_set()

    def cancel(self, reason: str, *, timed_out: bool = False) -> None:
        """Ask for the work to stop; the first reason stays."""
        with self._lock:
            if self._event.is_set():
                return
            self.reason = reason
            self.timed_out = timed_out
            self._event.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call back when cancelled while inside; at once when it already is."""
        with self._lock:
            now = self._event.is_set()
            self._next += 1
            key = self._next
            if not now:
                self._callbacks[key] = callback
        if now:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop(key, None)

    def wait(self, seconds: float | None) -> bool:
        """Sleep until cancelled or the time has passed; True when cancelled."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise CancelledError when cancelled."""
        if self.cancelled:
            raise CancelledError(self.reason)
