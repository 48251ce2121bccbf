"""A socket of this machine behind which the engine of a node answers, as if it were here; it can be closed at once."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import EcluseError
from pipeline.executors.swarm.lines import Line

ROOM = 1 << 16


class Passage:
    """Listens from when it is made until `close`; each caller gets a line of its own."""

    def __init__(self, path: Path, dial: Callable[[], Line]) -> None:
        self.address = f"unix://{path}"
        self.trouble = ""
        """What the last line that could not be had complained about."""
        self._path = path
        self._dial = dial
        self._lock = threading.Lock()
        self._open: dict[int, tuple[socket.socket, Line | None]] = {}
        self._closed = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._listen, name="passage", daemon=True).start()

    def close(self) -> None:
        """Nobody comes in any more, and all who are inside are cut off."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            lines = list(self._open.values())
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        for caller, line in lines:
            _cut(caller, line)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(caller,), name="passage", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        line: Line | None = None
        try:
            if self._enter(caller, None):
                line = self._dial()
                if self._enter(caller, line):
                    threading.Thread(target=_inward, args=(caller, line), name="passage", daemon=True).start()
                    line.receive(caller.sendall)
        except (OSError, EcluseError) as error:
            self.trouble = str(error)
        finally:
            with self._lock:
                self._open.pop(id(caller), None)
            _cut(caller, line)

    def _enter(self, caller: socket.socket, line: Line | None) -> bool:
        """Whether the passage is still open."""
        with self._lock:
            if not self._closed:
                self._open[id(caller)] = (caller, line)
            return not self._closed


def _inward(caller: socket.socket, line: Line) -> None:
    with contextlib.suppress(OSError, EcluseError):
        while chunk := caller.recv(ROOM):
            line.send(chunk)
        line.finish()


def _cut(caller: socket.socket, line: Line | None) -> None:
    with contextlib.suppress(OSError):
        caller.shutdown(socket.SHUT_RDWR)
    caller.close()
    if line is not None:
        line.cut()
