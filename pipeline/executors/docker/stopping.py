"""Ending a container that runs: SIGTERM to its init, the grace period, SIGKILL; nothing polls."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating
from pipeline.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient


class Stopper:
    """Hand `begin` to a Cancellation once the container runs; tell `ended` when it does not any more."""

    def __init__(self, client: APIClient, container: str, *, grace: float) -> None:
        self._client = client
        self._container = container
        self._grace = grace
        self._ended = threading.Event()
        self.begun = False

    def begin(self) -> None:
        """Stop the container, in a thread of its own."""
        if not self._ended.is_set():
            self.begun = True
            threading.Thread(target=self._stop, name="stopper", daemon=True).start()

    def ended(self) -> None:
        """The container has ended; no further signal is sent."""
        self._ended.set()

    def _stop(self) -> None:
        self._signal("SIGTERM")
        if not self._ended.wait(self._grace):
            self._signal("SIGKILL")

    def _signal(self, signal: str) -> None:
        try:
            with translating(f"send {signal}"):
                self._client.kill(self._container, signal)
        except EngineError:
            # it has just ended by itself, or the thread that waits for it hears of the same trouble
            return
