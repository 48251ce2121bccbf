"""The terminal of this process, handed through to a container."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.model.container import Stream

_ROOM = 65536


class ProcessConsole:
    """Implements `pipeline.ports.console.Console` over the descriptors 0, 1 and 2."""

    @property
    def interactive(self) -> bool:
        """Whether input and output are a terminal."""
        return sys.stdin.isatty() and sys.stdout.isatty()

    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        size = os.get_terminal_size(sys.stdout.fileno())
        return size.lines, size.columns

    @contextmanager
    def raw(self, resized: Callable[[], None]) -> Iterator[None]:
        """Raw mode, put back at the end whatever happens."""
        if not self.interactive:
            yield
            return
        import termios
        import tty

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        handler = signal.signal(signal.SIGWINCH, lambda number, frame: resized())  # noqa: ARG005 - signal's signature
        try:
            tty.setraw(terminal, termios.TCSADRAIN)  # what was typed ahead stays
            yield
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
            signal.signal(signal.SIGWINCH, handler)

    def read(self) -> bytes:
        """What is there, or comes next."""
        try:
            return os.read(sys.stdin.fileno(), _ROOM)
        except OSError:
            return b""

    def write(self, stream: Stream, chunk: bytes) -> None:
        """All of it."""
        descriptor = sys.stderr.fileno() if stream is Stream.ERR else sys.stdout.fileno()
        view = memoryview(chunk)
        while view:
            view = view[os.write(descriptor, view) :]
