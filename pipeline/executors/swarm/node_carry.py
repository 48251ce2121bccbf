"""Carries bytes both ways between two ends in one thread, for a secured connection must not be read and written by two.
Runs on nodes too: stands alone, only Python's own library."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
from typing import Protocol

ROOM = 1 << 16
HEADER = 4
MOST = 1 << 20
"""Bytes that wait for an end that does not take them; until then no more are read for it."""


class End(Protocol):
    """Never blocks. OSError may leave."""

    def fileno_in(self) -> int:
        """What to wait on for `read`."""

    def fileno_out(self) -> int:
        """What to wait on for `write`."""

    def read(self) -> bytes | None:
        """What is there; b"" at the end, None when nothing is there yet."""

    def write(self, chunk: memoryview) -> int:
        """How much of it was taken."""

    def finish(self) -> None:
        """It gets no more."""

    def flush(self) -> bool:
        """Send on what was taken; whether something is still to be sent."""


class SocketEnd:
    """A socket, secured or not."""

    def __init__(self, opened: socket.socket) -> None:
        opened.setblocking(False)
        self._socket = opened

    def fileno_in(self) -> int:
        """The socket."""
        return self._socket.fileno()

    fileno_out = fileno_in

    def read(self) -> bytes | None:
        """As a socket gives it."""
        try:
            return self._socket.recv(ROOM)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def write(self, chunk: memoryview) -> int:
        """As a socket takes it."""
        try:
            return self._socket.send(chunk)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def finish(self) -> None:
        """Close our half."""
        with contextlib.suppress(OSError):
            # not SSLSocket.shutdown, which would close the reading side as well
            socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def flush(self) -> bool:
        """What was taken has gone."""
        return False


class FramedEnd(SocketEnd):
    """A secured socket between two of ours. TLS has no half that can be closed alone, so each piece has its
    length before it, and an empty one says that no more follows: what was cut off is never taken for the whole."""

    def __init__(self, opened: socket.socket) -> None:
        super().__init__(opened)
        self._in = bytearray()
        self._out = bytearray()

    def read(self) -> bytes | None:
        """One piece."""
        while (size := self._size()) is None:
            chunk = super().read()
            if chunk is None:
                return None
            if not chunk:
                raise ConnectionError("the connection was cut off")
            self._in += chunk
        piece = bytes(self._in[HEADER : HEADER + size])
        del self._in[: HEADER + size]
        return piece

    def write(self, chunk: memoryview) -> int:
        """One piece, once the one before it has gone."""
        if self.flush():
            return 0
        piece = chunk[:ROOM]
        self._out += len(piece).to_bytes(HEADER, "big")
        self._out += piece
        self.flush()
        return len(piece)

    def finish(self) -> None:
        """The empty piece."""
        self._out += bytes(HEADER)
        self.flush()

    def flush(self) -> bool:
        """As much as the socket takes."""
        while self._out:
            with memoryview(self._out) as view:
                count = super().write(view)
            if not count:
                return True
            del self._out[:count]
        return False

    def _size(self) -> int | None:
        """That of the piece that is there as a whole."""
        if len(self._in) < HEADER:
            return None
        size = int.from_bytes(self._in[:HEADER], "big")
        if size > ROOM:
            raise ConnectionError("what comes is not what we agreed upon")
        return size if len(self._in) >= HEADER + size else None


class PipeEnd:
    """Standard input and output."""

    def __init__(self) -> None:
        for number in (0, 1):
            os.set_blocking(number, False)

    def fileno_in(self) -> int:
        """Standard input."""
        return 0

    def fileno_out(self) -> int:
        """Standard output."""
        return 1

    def read(self) -> bytes | None:
        """From standard input."""
        try:
            return os.read(0, ROOM)
        except BlockingIOError:
            return None

    def write(self, chunk: memoryview) -> int:
        """To standard output."""
        try:
            return os.write(1, chunk)
        except BlockingIOError:
            return 0

    def finish(self) -> None:
        """It ends with the process."""

    def flush(self) -> bool:
        """What was taken has gone."""
        return False


class Way:
    """One direction: what was read from one end and not yet taken by the other."""

    def __init__(self, source: End, sink: End) -> None:
        self.source, self.sink = source, sink
        self.waiting = bytearray()
        self.open = True
        self.told = False

    @property
    def over(self) -> bool:
        """Whether all that there ever will be has been taken."""
        return not self.open and not self.waiting

    @property
    def hungry(self) -> bool:
        """Whether more may be read."""
        return self.open and len(self.waiting) < MOST

    def move(self) -> bool:
        """Read and write what goes without waiting; whether anything did."""
        moved = False
        if self.hungry and (chunk := self.source.read()) is not None:
            moved = True
            self.waiting += chunk
            self.open = bool(chunk)
        if self.waiting:
            with memoryview(self.waiting) as view:
                count = self.sink.write(view[:MOST])
            del self.waiting[:count]
            moved = moved or count > 0
        if self.over and not self.told:
            self.told = True
            self.sink.finish()
        return moved


def carry(near: End, far: End) -> None:
    """Until the far end has said all and the near one has it. OSError where one of them breaks."""
    there, back = Way(near, far), Way(far, near)
    while not back.told or near.flush():
        moved = [way.move() for way in (there, back)]
        stuck = {end.fileno_out() for end in (near, far) if end.flush()}
        if not any(moved) and (not back.told or stuck):
            poll = select.poll()
            wanted: dict[int, int] = {}
            for way in (there, back):
                if way.hungry:
                    wanted[way.source.fileno_in()] = wanted.get(way.source.fileno_in(), 0) | select.POLLIN
                if way.waiting:
                    wanted[way.sink.fileno_out()] = wanted.get(way.sink.fileno_out(), 0) | select.POLLOUT
            for number in stuck:
                wanted[number] = wanted.get(number, 0) | select.POLLOUT
            for number, events in wanted.items():
                poll.register(number, events)
            poll.poll()
