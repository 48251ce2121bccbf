"""A real HAProxy: backend `added`, whose servers are added as it runs, and `declared`, with servers to be used,
and `unhurried`, which takes three seconds to notice anything."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .servers import eventually, free_port, program, serving

CONFIGURATION = """
global
    stats socket {folder}/admin.sock mode 600 level admin
    stats socket ipv4@127.0.0.1:{api} level admin
    stats socket ipv4@127.0.0.1:{looking} level user
    server-state-file {folder}/state
    nbthread 2
defaults
    mode http
    option redispatch
    option httpclose
    retries 3
    retry-on conn-failure empty-response
    timeout connect 2s
    timeout client 10s
    timeout server 10s
    timeout queue 2s
    load-server-state-from-file global
    balance roundrobin
    default-server check inter 200ms fall 2 rise 1
listen added
    bind 127.0.0.1:{added}
listen declared
    bind 127.0.0.1:{declared}
    server-template seat 1-{seats} 127.0.0.1:1 disabled
    server spare 127.0.0.1:1 disabled
listen unhurried
    bind 127.0.0.1:{unhurried}
    default-server check inter 3s fall 1 rise 1
    server-template seat 1-{seats} 127.0.0.1:1 disabled
listen sticky
    bind 127.0.0.1:{sticky}
    balance source
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Haproxy:
    """A running HAProxy: what serves `added` is at port `ports["added"]`, and so on."""

    folder: Path
    api: str
    """`tcp://…` of the runtime API with all rights."""
    looking: str
    """The same without the right to change anything."""
    socket: str
    """Path of the runtime API's unix socket."""
    ports: dict[str, int]
    process: int

    def ask(self, command: str) -> str:
        """What the runtime API answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.socket)
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def reload(self) -> None:
        """As an operator's reload does it: save the servers' state, then begin anew with it."""
        before = self._worker()
        (self.folder / "state").write_text(self.ask("show servers state"))
        os.kill(self.process, signal.SIGUSR2)
        eventually(lambda: self._worker() not in ("", before) or None, seconds=10, what="HAProxy after its reload")

    def _worker(self) -> str:
        try:
            lines = self.ask("show info").splitlines()
        except OSError:
            return ""
        return next((line for line in lines if line.startswith("Pid:")), "")


@contextmanager
def haproxy(folder: Path, *, seats: int = 8) -> Iterator[Haproxy]:
    """An HAProxy with its files in `folder`, whose path has to be short: it holds a unix socket."""
    path = program("haproxy", "haproxy")
    names = ("added", "declared", "unhurried", "sticky", "api", "looking")
    ports = {name: free_port() for name in names}
    file = folder / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(folder=folder, seats=seats, **ports))
    (folder / "state").write_text("")
    pidfile = folder / "pid"
    command: list[str | Path] = [path, "-W", "-f", file, "-p", pidfile]

    def ready() -> bool:
        try:
            socket.create_connection(("127.0.0.1", ports["api"]), timeout=1).close()
        except OSError:
            return False
        return pidfile.exists() and bool(pidfile.read_text().strip())

    with serving(command, log=folder / "haproxy.log", ready=ready):
        yield Haproxy(
            folder=folder,
            api=f"tcp://127.0.0.1:{ports['api']}",
            looking=f"tcp://127.0.0.1:{ports['looking']}",
            socket=str(folder / "admin.sock"),
            ports=ports,
            process=int(pidfile.read_text().split()[0]),
        )
