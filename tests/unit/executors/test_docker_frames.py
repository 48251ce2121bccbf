"""The engine's framing of two outputs in one connection, cut anywhere, gives back exactly what was printed."""

from __future__ import annotations

import io
import struct

from hypothesis import given
from hypothesis import strategies as st

from pipeline.executors.docker.attach import Frames
from pipeline.model.container import Stream

CODES = {Stream.OUT: 1, Stream.ERR: 2}
printed = st.lists(st.tuples(st.sampled_from(list(Stream)), st.binary(max_size=300)), max_size=30)


class Dribble(io.RawIOBase):
    """A connection that gives the bytes in pieces of these sizes."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content, self._sizes = content, sizes

    def readinto1(self, room: memoryview, /) -> int:
        size = self._sizes.pop() if self._sizes else len(self._content)
        piece = self._content[: min(size, len(room))]
        self._content = self._content[len(piece) :]
        room[: len(piece)] = piece
        return len(piece)


def framed(chunks: list[tuple[Stream, bytes]]) -> bytes:
    return b"".join(struct.pack(">BxxxL", CODES[stream], len(chunk)) + chunk for stream, chunk in chunks)


def joined(chunks: list[tuple[Stream, bytes]]) -> list[tuple[Stream, bytes]]:
    """Neighbours of one stream as one, so that only order and content count."""
    result: list[tuple[Stream, bytes]] = []
    for stream, chunk in chunks:
        if result and result[-1][0] is stream:
            result[-1] = (stream, result[-1][1] + chunk)
        elif chunk:
            result.append((stream, chunk))
    return result


@given(printed, st.lists(st.integers(min_value=1, max_value=60), max_size=60))
def test_any_cut_of_the_connection_gives_the_same_output(chunks: list[tuple[Stream, bytes]], sizes: list[int]) -> None:
    got: list[tuple[Stream, bytes]] = []
    Frames(lambda stream, chunk: got.append((stream, chunk))).pump(Dribble(framed(chunks), sizes))
    assert joined(got) == joined(chunks)


def test_a_frame_larger_than_the_room_is_taken() -> None:
    content, got = bytes(range(256)) * 20_000, io.BytesIO()
    Frames(lambda _, chunk: got.write(chunk) and None).pump(Dribble(framed([(Stream.OUT, content)]), []))
    assert got.getvalue() == content
