"""A socket in front of a server's own that notes which process writes what, and when."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ASKS_ENGINE = re.compile(rb"^(POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")
HARMLESS = re.compile(r"/exec|/images/create|/wait|/attach|/auth")
"""What is posted to an engine and changes nothing of what is deployed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """A request that changes something, as it came in."""

    at: float
    """By the machine's stopwatch."""
    process: int
    what: str


def engine_write(chunk: bytes) -> str:
    """What a chunk from a client tells a Docker Engine to change; "" for anything else."""
    found = ASKS_ENGINE.match(chunk)
    words = " ".join(group.decode() for group in found.groups()) if found else ""
    return "" if HARMLESS.search(words) else words


def proxy_write(chunk: bytes) -> str:
    """What a line tells HAProxy to change; "" for a question."""
    words = chunk.decode(errors="replace").strip()
    return "" if words.startswith("show ") else words[:100]


@dataclass(eq=False)
class LoggedSocket:
    """Everybody reaches `upstream` through `path`. Closed, it is gone like a server that does not run."""

    path: Path
    upstream: Path
    write_of: Callable[[bytes], str]
    writes: list[Write]
    """Where writes are noted; several sockets may share them."""
    _listener: socket.socket | None = field(default=None, init=False)

    def open(self) -> None:
        """Let clients in."""
        self.path.unlink(missing_ok=True)
        listener = self._listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Nobody comes in any more; who is inside stays for as long as the server wants it."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self.path.unlink(missing_ok=True)
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        process = struct.unpack("3i", peer)[0]
        server = socket.socket(socket.AF_UNIX)
        with client, server:
            try:
                server.connect(str(self.upstream))
            except OSError:
                return
            back = threading.Thread(target=_pump, args=(server, client, _nothing), daemon=True)
            back.start()
            _pump(client, server, lambda chunk: self._note(process, chunk))
            back.join()

    def _note(self, process: int, chunk: bytes) -> None:
        if what := self.write_of(chunk):
            self.writes.append(Write(at=time.monotonic(), process=process, what=what))


def _pump(source: socket.socket, sink: socket.socket, note: Callable[[bytes], None]) -> None:
    """Until the source has said all, or one of them is gone."""
    with suppress(OSError):
        while chunk := source.recv(65536):
            note(chunk)
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _nothing(_: bytes) -> None:
    return None
