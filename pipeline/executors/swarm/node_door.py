"""Runs on a node: lets those in to its engine who prove by their certificate that they belong to this run. Stands
alone but for `node_carry`, whose text goes before it."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import sys
import threading
import time

from pipeline.executors.swarm.node_carry import FramedEnd, SocketEnd, carry

PATIENCE = 15.0
"""Seconds for a caller to say who it is."""


class Door:
    """Counts who is inside: a door that nobody uses for long is closed."""

    def __init__(self, path: str, credentials: str) -> None:
        self._path = path
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.load_cert_chain(credentials)
        self._context.load_verify_locations(credentials)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._lock = threading.Lock()
        self._inside = 0
        self.used = time.monotonic()

    def idle(self) -> float:
        """Seconds since somebody was inside."""
        with self._lock:
            return 0.0 if self._inside else time.monotonic() - self.used

    def let_in(self, caller: socket.socket) -> None:
        """Carry bytes both ways until the engine has said all."""
        with self._lock:
            self._inside += 1
        try:
            with caller, contextlib.suppress(OSError):
                self._carry(caller)
        finally:
            with self._lock:
                self._inside -= 1
                self.used = time.monotonic()

    def _carry(self, caller: socket.socket) -> None:
        caller.settimeout(PATIENCE)
        with (
            self._context.wrap_socket(caller, server_side=True) as secure,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine,
        ):
            engine.connect(self._path)
            carry(FramedEnd(secure), SocketEnd(engine))


def main(path: str, credentials: str, port: str, longest: str) -> None:
    """Serve until SIGTERM, or until nobody has been inside for so many seconds."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    door = Door(path, credentials)
    with socket.create_server(("", int(port)), backlog=64) as listener:
        listener.settimeout(5)
        while door.idle() < float(longest):
            with contextlib.suppress(TimeoutError):
                caller, _ = listener.accept()
                threading.Thread(target=door.let_in, args=(caller,), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
