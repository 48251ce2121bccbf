"""A command on a terminal of its own, as a person sees it: a pseudo-terminal that is read and typed into."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class Terminal:
    """What stands on it so far is in `seen`."""

    def __init__(self, controlling: int, process: subprocess.Popen[bytes]) -> None:
        self._controlling = controlling
        self._process = process
        self.seen = ""

    def until(self, text: str, *, within: float = 120.0) -> str:
        """Read until this text stands there; AssertionError with what does when it never comes."""
        end = time.monotonic() + within
        while text not in self.seen:
            ready, _, _ = select.select([self._controlling], [], [], max(0.0, end - time.monotonic()))
            if not ready or not self._read():
                raise AssertionError(f"{text!r} never came:\n{self.seen}")
        return self.seen

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._controlling, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size; who reads it is told by the kernel."""
        fcntl.ioctl(self._controlling, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """What the kernel does to who runs on a terminal that is closed."""
        os.kill(self._process.pid, signal.SIGHUP)

    def end(self, *, within: float = 120.0) -> int:
        """Read to the end; the exit code."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            ready, _, _ = select.select([self._controlling], [], [], 0.2)
            if ready and not self._read():
                break
            if not ready and self._process.poll() is not None:
                break
        return self._process.wait(timeout=max(1.0, end - time.monotonic()))

    def _read(self) -> bool:
        try:
            chunk = os.read(self._controlling, 65536)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)


@contextmanager
def on_terminal(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], rows: int = 40, columns: int = 100
) -> Iterator[Terminal]:
    """Run a command with a terminal as its input and outputs, in a session of its own; killed at the body's end."""
    controlling, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen(
        list(words),
        cwd=cwd,
        env={**env, "TERM": "xterm"},
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
    ) as process:
        os.close(side)
        try:
            yield Terminal(controlling, process)
        finally:
            if process.poll() is None:
                process.kill()
            os.close(controlling)
