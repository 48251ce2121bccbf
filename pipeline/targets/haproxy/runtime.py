"""HAProxy's runtime API: lines of text over a socket, one connection an exchange.

The protocol is that of HAProxy's management guide, "Unix Socket commands": a line of commands parted by `;` goes in,
and the answers come back until the connection is closed.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from pipeline.errors import TargetError

TIMEOUT = 10.0
LINE_LIMIT = 15_000
"""A line must fit HAProxy's buffer (`tune.bufsize`, 16 KiB by itself)."""
HARMLESS = ("no need to change", "nothing changed", "changed from", "registered", "deleted")
"""What HAProxy says when something went well; other words are complaints."""


class Runtime:
    """Asks and tells one HAProxy. `where` is `unix:///path`, `/path` or `tcp://host:port`."""

    def __init__(self, where: str) -> None:
        self.where = where

    def ask(self, command: str) -> str:
        """The answer to a question (`show …`). TargetError where nobody answers or the socket's level forbids it."""
        answer = self._exchange(command)
        if answer.strip() == "Permission denied":
            raise TargetError(
                f"HAProxy at {self.where} does not allow '{command.partition(' ')[0]}' on this socket",
                hint="give the `stats socket` line of its configuration `level admin`",
            )
        return answer

    def tell(self, commands: Sequence[str]) -> None:
        """Carry these out, one right after the other; TargetError with HAProxy's words when it complains."""
        for line in _lines(commands):
            complaints = [
                text.strip()
                for text in self.ask(line).splitlines()
                if text.strip() and not any(word in text for word in HARMLESS)
            ]
            if complaints:
                raise TargetError(
                    f"HAProxy at {self.where} refused '{line[:200]}': {'; '.join(complaints)[:500]}",
                    hint="see `show servers state` on that socket, and HAProxy's own log",
                )

    def _exchange(self, line: str) -> str:
        try:
            with self._connected() as connection:
                connection.sendall(f"{line}\n".encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
        except OSError as error:
            raise TargetError(
                f"cannot reach HAProxy at {self.where}: {error}",
                hint="check `proxy.haproxy.socket` of the environment, and the `stats socket` line of HAProxy's "
                "configuration",
            ) from error

    def _connected(self) -> socket.socket:
        parts = urlsplit(self.where)
        if parts.scheme == "tcp":
            return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=TIMEOUT)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(TIMEOUT)
            connection.connect(parts.path if parts.scheme else self.where)
        except BaseException:
            connection.close()
            raise
        return connection


def _lines(commands: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for command in commands:
        if lines and len(lines[-1]) + len(command) < LINE_LIMIT:
            lines[-1] += f"; {command}"
        else:
            lines.append(command)
    return lines
