"""Stands between a client and its engine: what happens between two requests happens always, not once in a while."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")
Before = Callable[[str], None]


class _Turnstile(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path, engine: str, before: Before) -> None:
        super().__init__(str(path), _Passing)
        self.engine, self.before = engine, before


class _Passing(socketserver.BaseRequestHandler):
    server: _Turnstile

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.server.engine)
            back = threading.Thread(target=_pump, args=(engine, self.request, _nothing), daemon=True)
            back.start()
            _pump(self.request, engine, self.server.before)
            back.join()


def _pump(source: socket.socket, sink: socket.socket, before: Before) -> None:
    """Everything until the end, which is handed on as well; whoever hangs up ends it too."""
    with suppress(OSError):
        while block := source.recv(1 << 16):
            if request := REQUEST.match(block):
                before(request[1].decode())
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _nothing(_: str) -> None:
    return None


@contextmanager
def turnstile(folder: Path, engine: str, before: Before) -> Iterator[str]:
    """The address of an engine that calls `before` with the path of each request ahead of passing it on."""
    path = folder / "turnstile.sock"
    with _Turnstile(path, engine.removeprefix("unix://"), before) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()
            path.unlink()
