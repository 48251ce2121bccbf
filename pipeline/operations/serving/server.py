"""All that a server does beside answering requests: threads that are started together and drained together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from pipeline.errors import EcluseError
from pipeline.operations.serving.workshop import Workshop
from pipeline.ports.application import Application

Round = Callable[[], None]
"""One look at what is to be done; quick where there is nothing."""


class Rounds:
    """A thread that goes its round again and again; what goes wrong is noted, and tried again with the next."""

    def __init__(
        self, name: str, go: Round, *, every: float, note: Callable[[str], None], awaited: bool = True
    ) -> None:
        """Without `awaited` the end does not wait for a round that is under way: it only looks, and may look long."""
        self._go = go
        self._every = every
        self._note = note
        self._name = name
        self._awaited = awaited
        self._soon = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hurry(self) -> None:
        """Go the next round now."""
        self._soon.set()

    def stop(self) -> None:
        """End with the round that is under way."""
        self._over.set()
        self._soon.set()
        if self._awaited:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._go()
            except EcluseError as error:
                self._note(f"{self._name}: {error.message}")
            except Exception as error:  # noqa: BLE001 - a thread of a server must outlive a mistake of ours
                self._note(f"{self._name}: defect in Écluse: {type(error).__name__}: {error}")
            self._soon.wait(self._every)
            self._soon.clear()


class Background:
    """The rounds of a server and its worker. `close` after `drained` (or at once) ends them."""

    def __init__(self, app: Application, *, workshop: Workshop | None, rounds: Sequence[Rounds] = ()) -> None:
        self._app = app
        self._workshop = workshop
        self._rounds = tuple(rounds)
        self._worker: threading.Thread | None = None
        self.draining = False

    def start(self) -> None:
        """Begin all."""
        for item in self._rounds:
            item.start()
        if self._workshop is not None:
            self._worker = threading.Thread(target=self._workshop.run, name="worker", daemon=True)
            self._worker.start()

    def drain(self) -> None:
        """Take no more work; what is under way goes on."""
        self.draining = True
        if self._workshop is not None:
            self._workshop.drain()

    def drained(self, seconds: float) -> bool:
        """Wait so long for what is under way; whether it has ended."""
        if self._worker is None:
            return True
        self._worker.join(seconds)
        return not self._worker.is_alive()

    def close(self) -> None:
        """Hand over what is still under way, and end."""
        for item in self._rounds:
            item.stop()
        if self._workshop is not None and self._worker is not None:
            self._workshop.hand_over()
            self._worker.join()
