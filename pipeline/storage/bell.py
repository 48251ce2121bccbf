"""A bell between processes of one machine: whoever rings says a line, whoever listens sleeps until then."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_LONGEST = 4096
"""Bytes of a line: what a pipe takes whole (PIPE_BUF, pipe(7))."""
_END = b"\0\n"


class Bell:
    """Listens at a named pipe, which is made when it is missing, and tells each line; `close` removes it.

    Lines are told in a thread of its own.
    """

    def __init__(self, path: Path, heard: Callable[[str], None]) -> None:
        self._path = path
        self._heard = heard
        with suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Not from the callback."""
        with suppress(OSError):
            self._path.unlink()
        os.write(self._descriptor, _END)
        self._thread.join()
        os.close(self._descriptor)

    def _listen(self) -> None:
        rest = b""
        while True:
            rest += os.read(self._descriptor, _LONGEST)
            *lines, rest = rest.split(b"\n")
            for line in lines:
                if line + b"\n" == _END:
                    return
                self._heard(line.decode(errors="replace"))


def ring(path: Path, line: str) -> bool:
    """Say a line to whoever listens at `path`; False when nobody does."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, line.replace("\n", " ").encode()[: _LONGEST - 1] + b"\n")
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
