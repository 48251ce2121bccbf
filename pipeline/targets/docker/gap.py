"""Measuring how long nobody answers on a published port while it changes hands."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from time import monotonic

from pipeline.targets.docker.options import Published

PAUSE = 0.005
LISTEN = 0.02
"""How long a connection has to stay open: a proxy without anybody behind it closes at once."""


def watched(published: Iterable[Published], *, host_of: Callable[[str], str]) -> GapWatch | None:
    """Begin to knock at the first TCP port of these, where there is one. `host_of`: where an address of the engine is
    reached from here."""
    first = next((item for item in published if item.protocol == "tcp"), None)
    if first is None:
        return None
    watch = GapWatch(first, host=host_of(first.address))
    watch.start()
    watch.await_answer(0.5)
    return watch


class GapWatch:
    """Knocks at a port from its start to its stop; `stop` tells the longest time without an answer.

    The figure includes the time between two knocks (about 30 ms), so it is never too small.
    """

    def __init__(self, published: Published, *, host: str) -> None:
        self._address = (host, published.host)
        self._ended = threading.Event()
        self._answered = threading.Condition()
        self._gap = 0.0
        self._last: float | None = None
        self._down = False
        self._thread = threading.Thread(target=self._knock, name="gap-watch", daemon=True)

    def start(self) -> None:
        """Begin to knock."""
        self._thread.start()

    def await_answer(self, seconds: float) -> bool:
        """Wait until a knock that began after this call is answered; False when the time has passed."""
        began = monotonic()
        with self._answered:
            return self._answered.wait_for(lambda: self._last is not None and self._last >= began, timeout=seconds)

    def stop(self) -> float | None:
        """Seconds without an answer; 0 when each knock was answered, None when none ever was."""
        self._ended.set()
        self._thread.join()
        return None if self._last is None else self._gap

    def _knock(self) -> None:
        while not self._ended.is_set():
            began = monotonic()
            if answers(self._address):
                with self._answered:
                    if self._down and self._last is not None:
                        self._gap = max(self._gap, monotonic() - self._last)
                    self._last, self._down = began, False
                    self._answered.notify_all()
            else:
                self._down = True
            self._ended.wait(PAUSE)


def answers(address: tuple[str, int]) -> bool:
    """Whether a connection is taken and kept, or something is said on it."""
    try:
        with socket.create_connection(address, timeout=0.5) as connection:
            connection.settimeout(LISTEN)
            try:
                return connection.recv(1) != b""
            except TimeoutError:
                return True
    except OSError:
        return False
