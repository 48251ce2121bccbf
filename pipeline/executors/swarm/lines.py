"""Ways to the engine of a node, one connection at a time: straight to where it listens, or through the swarm."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.dockerapi import hijack, post, translating
from pipeline.errors import SettingsError
from pipeline.executors.docker.attach import Frames
from pipeline.executors.swarm.node_carry import SocketEnd, carry
from pipeline.model.container import Stream

if TYPE_CHECKING:
    from docker import APIClient

ROOM = 1 << 16
PATIENCE = 15.0
PORT = 2375


class Line(Protocol):
    """One connection. `send` and `finish` belong to one thread, `receive` to another; `cut` to any. OSError,
    EngineError and kin may leave."""

    def send(self, chunk: bytes) -> None:
        """All of it."""

    def finish(self) -> None:
        """There is no more to send; the answer may go on."""

    def receive(self, take: Callable[[bytes], None]) -> None:
        """Hand on what comes until there is no more."""

    def cut(self) -> None:
        """End both directions at once."""


class SocketLine:
    """A connection to where an engine listens itself."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def send(self, chunk: bytes) -> None:
        """All of it."""
        self._socket.sendall(chunk)

    def finish(self) -> None:
        """Close our half."""
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self, take: Callable[[bytes], None]) -> None:
        """Until the engine closes its half."""
        while chunk := self._socket.recv(ROOM):
            take(chunk)

    def cut(self) -> None:
        """Whoever waits on it wakes."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class CommandLine:
    """A connection that a command in a container carries, by its standard input and output."""

    def __init__(self, client: APIClient, container: str, command: Sequence[str]) -> None:
        body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
        with translating("reach a node of the swarm"):
            made = post(client, f"/containers/{container}/exec", body)["Id"]
            self._stream = hijack(client, f"/exec/{made}/start", body={"Detach": False, "Tty": False})
        self._socket = self._stream.socket

    def send(self, chunk: bytes) -> None:
        """All of it."""
        self._socket.sendall(chunk)

    def finish(self) -> None:
        """Close the command's standard input."""
        socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def receive(self, take: Callable[[bytes], None]) -> None:
        """Until the command has ended; what it complains about is of no use to an engine's client."""
        Frames(lambda stream, chunk: take(chunk) if stream is Stream.OUT else None).pump(self._stream.source)

    def cut(self) -> None:
        """The command ends with its standard input."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        self._stream.close()


def dial(address: str) -> Line:
    """Connect to `unix://PATH` or `tcp://HOST[:PORT]`, the latter with the certificates under DOCKER_CERT_PATH where
    DOCKER_TLS_VERIFY is set. Raises OSError, SettingsError."""
    kind, _, place = address.partition("://")
    if kind == "unix":
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.settimeout(PATIENCE)
        opened.connect(place)
        opened.settimeout(None)
        return SocketLine(opened)
    if kind != "tcp" or not place:
        raise SettingsError(
            f"setting 'swarm_engines': cannot go to '{address}'", hint="write tcp://{address}:2376 or unix:///PATH"
        )
    host, _, port = place.partition(":")
    plain = socket.create_connection((host, int(port or PORT)), timeout=PATIENCE)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if os.environ.get("DOCKER_TLS_VERIFY"):
        return SocketLine(_beyond(_secured(plain, host)))
    plain.settimeout(None)
    return SocketLine(plain)


def _beyond(secure: ssl.SSLSocket) -> socket.socket:
    """A plain socket behind which the secured one is: that must not be read and written by two threads."""
    ours, theirs = socket.socketpair()

    def work() -> None:
        with theirs, secure, contextlib.suppress(OSError):
            carry(SocketEnd(theirs), SocketEnd(secure))

    threading.Thread(target=work, name="secured", daemon=True).start()
    return ours


def _secured(plain: socket.socket, host: str) -> ssl.SSLSocket:
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    except OSError as error:
        raise SettingsError(
            f"the certificates in {folder} cannot be used: {error}", hint="point DOCKER_CERT_PATH to those of the nodes"
        ) from error
    return context.wrap_socket(plain, server_hostname=host)
