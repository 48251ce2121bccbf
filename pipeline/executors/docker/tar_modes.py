"""Change modes within a tar stream as it flows by, without unpacking it: 20,000 files take a fraction of a second."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from pipeline.executors.docker.tar_links import Links

BLOCK = 512
CHUNK = 1 << 18
EMPTY = bytes(BLOCK)
FOLDER = ord("5")
FILES = (ord("0"), 0, ord("7"))
EXTENDED = ord("x")
SYMLINK = ord("2")
SIZE_RECORD = re.compile(rb"\d+ size=(\d+)\n")
WITHOUT_CONTENT = frozenset(map(ord, "123456"))


def shared_mode(kind: int, mode: int) -> int:
    """For a workspace: whoever a stage runs as may read and write; what is executable stays so for all."""
    if kind == FOLDER or mode & 0o111:
        return mode | 0o777
    return mode | 0o666


def same_mode(kind: int, mode: int) -> int:  # noqa: ARG001 - as the others
    """For what is to stay as it is."""
    return mode


def git_mode(kind: int, mode: int) -> int:
    """For what leaves a workspace: the modes that git knows."""
    return 0o755 if kind == FOLDER or mode & 0o111 else 0o644


def chunks_of(archive: IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    """A file or an iterable, as chunks."""
    read = getattr(archive, "read", None)
    return iter(lambda: read(CHUNK), b"") if read is not None else iter(archive)


def change_modes(
    archive: IO[bytes] | Iterable[bytes], mode: Callable[[int, int], int], links: Links | None = None
) -> Iterator[bytes]:
    """The same stream with `mode(type, old)` for each file and folder; comes in chunks of at least 256 KiB.

    Links that lead out of the folder are handed to `links`.
    """
    buffer = bytearray()
    skip = 0
    size_next: int | None = None
    for chunk in chunks_of(archive):
        buffer += chunk
        if len(buffer) < CHUNK:
            continue
        done, skip, size_next = _walk(buffer, skip, size_next, mode, links)
        if done:
            yield bytes(memoryview(buffer)[:done])
            del buffer[:done]
    done, _, _ = _walk(buffer, skip, size_next, mode, links)
    if buffer:
        yield bytes(buffer)


def _walk(
    buffer: bytearray, skip: int, size_next: int | None, mode: Callable[[int, int], int], links: Links | None
) -> tuple[int, int, int | None]:
    """Change the headers that are whole; returns how far it came, what of the content is still to pass, and a
    size that an extended header gave for the entry after it."""
    position, end = min(skip, len(buffer)), len(buffer)
    skip -= position
    while not skip and end - position >= BLOCK:
        if buffer[position] == 0:
            position += BLOCK
            continue
        kind = buffer[position + 156]
        size = _number(buffer[position + 124 : position + 136])
        if kind == EXTENDED:
            body = position + BLOCK
            if end - body < size:
                break
            match = SIZE_RECORD.search(buffer, body, body + size)
            size_next = int(match[1]) if match else None
            if links is not None:
                links.extended(buffer, body, body + size)
        else:
            if size_next is not None and kind not in (ord("L"), ord("K"), ord("g")):
                size, size_next = size_next, None
            if kind == FOLDER or kind in FILES:
                _set_mode(buffer, position, mode(kind, _number(buffer[position + 100 : position + 108])))
            if links is not None and kind != ord("g"):
                links.header(buffer, position, symlink=kind == SYMLINK)
        content = 0 if kind in WITHOUT_CONTENT else size + -size % BLOCK
        position += BLOCK
        step = min(content, end - position)
        position += step
        skip = content - step
    return position, skip, size_next


def _number(field: bytearray) -> int:
    """An octal number, or one in base 256 where the first bit says so."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b"\0 ") or b"0", 8)


def _set_mode(buffer: bytearray, start: int, mode: int) -> None:
    place = slice(start + 100, start + 108)
    old, new = buffer[place], b"%07o\0" % mode
    if old == new:
        return
    total = slice(start + 148, start + 156)
    checksum = _number(buffer[total]) - sum(old) + sum(new)
    buffer[place] = new
    buffer[total] = b"%06o\0 " % checksum
