"""The raw stream of a container's input and output, and the framing that tells stdout from stderr."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.dockerapi import hijack, plain_socket, translating
from pipeline.model.container import Stream

if TYPE_CHECKING:
    from docker import APIClient

ROOM = 1 << 20
HEADER = 8
PIPE = 32 * 1024
"""Input up to this size fits the socket's own buffer, so that no thread is needed to write it."""
STREAMS = (Stream.OUT, Stream.OUT, Stream.ERR)


class Source(Protocol):
    """What the bytes come from: a buffered reader over the hijacked connection."""

    def readinto1(self, room: memoryview, /) -> int:
        """One read from the connection, after what is already buffered."""


class Frames:
    """Cuts a multiplexed stream into its two outputs: 8 bytes of header (stream, 0, 0, 0, length), then payload.

    Neighbouring frames of one stream that arrive together are handed on as one chunk.
    """

    def __init__(self, write: Callable[[Stream, bytes], None]) -> None:
        self._write = write
        self._room = bytearray(ROOM)
        self._filled = 0

    def pump(self, source: Source) -> None:
        """Read to the end of the stream."""
        while True:
            with memoryview(self._room) as view, view[self._filled :] as free:
                count = source.readinto1(free)
            if not count:
                return
            self._filled += count
            self._deliver()

    def feed(self, chunk: bytes) -> None:
        """Take a chunk that somebody else has read."""
        self._room[self._filled : self._filled + len(chunk)] = chunk
        self._filled += len(chunk)
        self._deliver()

    def _deliver(self) -> None:
        room, end = self._room, self._filled
        position, current = 0, 0
        parts: list[bytes] = []
        while end - position >= HEADER:
            start = position + HEADER
            size = int.from_bytes(room[position + 4 : start], "big")
            if start + size > end:
                break
            if room[position] != current and parts:
                self._write(STREAMS[current], b"".join(parts))
                parts = []
            current = room[position]
            if size:
                parts.append(bytes(room[start : start + size]))
            position = start + size
        if parts:
            self._write(STREAMS[current], b"".join(parts) if len(parts) > 1 else parts[0])
        rest = end - position
        if position:
            room[:rest] = room[position:end]
            self._filled = rest
        if len(room) - rest < HEADER + PIPE:
            room.extend(bytes(len(room)))


class Attachment:
    """A connection to a container's stdin, stdout and stderr, made before the container starts.

    Belongs to the thread that made it; `write` may use one more.
    """

    def __init__(self, client: APIClient, container: str) -> None:
        with translating(f"attach to container {container[:12]}"):
            stream = hijack(client, f"/containers/{container}/attach", stdin=1, stdout=1, stderr=1, stream=1)
        self._socket = stream.socket
        self._source: Source = stream.source
        self._close = stream.close

    def write(self, content: bytes) -> None:
        """Send everything, then tell the process that there is no more. Errors mean that it went without reading."""
        if len(content) > PIPE:
            threading.Thread(target=self._send, args=(content,), name="stdin", daemon=True).start()
        else:
            self._send(content)

    def _send(self, content: bytes) -> None:
        try:
            if content:
                self._socket.sendall(content)
            # not SSLSocket.shutdown, which would close the reading side as well
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
        except OSError:
            return

    def pump(self, write: Callable[[Stream, bytes], None]) -> None:
        """Hand on all output until the container has closed it."""
        with translating("read a container's output"):
            Frames(write).pump(self._source)

    def feed(self, read: Callable[[], bytes]) -> None:
        """Send what `read` gives until it gives nothing; then the process is told that there is no more."""
        with contextlib.suppress(OSError):
            while chunk := read():
                self._socket.sendall(chunk)
            socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def pump_raw(self, write: Callable[[bytes], None]) -> None:
        """As `pump`, of a container with a terminal, whose outputs are one."""
        room = bytearray(PIPE)
        with translating("read a container's output"), memoryview(room) as view:
            while count := self._source.readinto1(view):
                write(bytes(view[:count]))

    def stop(self) -> None:
        """End `pump` soon, from another thread; the container runs on."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        self._close()


def cut_off(client: APIClient, response: Any) -> None:
    """Make whoever reads this response come to its end."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(plain_socket(client, response), socket.SHUT_RDWR)
