"""Carries what one service prints to its log, for as long as the stage runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.errors import EcluseError
from pipeline.model.container import Stream
from pipeline.ports.executor import Output

QUIET, LONGEST = 0.05, 0.5
"""Seconds without a word after which a service has said what it wanted, and the longest to wait for that."""

Write = Callable[[Stream, bytes], None]


class Carrier:
    """A thread that pumps until the service ends or `end` is called."""

    def __init__(
        self,
        sink: Output,
        *,
        pump: Callable[[Write], None],
        stop: Callable[[], None],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._sink = sink
        self._pump = pump
        self._stop = stop
        self._close = close
        self._last = 0.0
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="service", daemon=True)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def end(self) -> None:
        """Wait for a service that is speaking, for a moment, then stop listening."""
        latest = time.monotonic() + LONGEST
        while self._thread.is_alive() and (now := time.monotonic()) < min(latest, self._last + QUIET):
            self._thread.join(min(latest, self._last + QUIET) - now)
        self._ending = True
        self._stop()
        self._thread.join(LONGEST)

    def _run(self) -> None:
        try:
            self._pump(self._write)
        except (EcluseError, OSError, ValueError) as error:
            if not self._ending:
                self._sink.note(error.message if isinstance(error, EcluseError) else f"its output was lost: {error}")
        finally:
            self._close()

    def _write(self, stream: Stream, chunk: bytes) -> None:
        self._last = time.monotonic()
        self._sink.write(stream, chunk)
