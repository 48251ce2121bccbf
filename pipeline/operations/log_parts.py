"""A part of a log, by line numbers, from its end, or from a time on, without reading all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from pipeline.errors import UsageError

_BLOCK = 256 * 1024
_STAMP = len("2026-11-23T23:00:00.123Z ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Which lines: from `first` to `last` (from 1; None = the last one), or else those that are among the last `tail`
    and whose time is not before `since`."""

    first: int = 1
    last: int | None = None
    tail: int | None = None
    since: datetime | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Part()


def parse_lines(text: str) -> tuple[int, int | None]:
    """`100:200`, `100:` (to the end), `:200`, or `100` (one line). UsageError for anything else."""
    first, colon, last = text.strip().partition(":")
    with suppress(ValueError):
        low = int(first) if first else 1
        high = (int(last) if last else None) if colon else low
        if text.strip() and low >= 1 and (high is None or high >= low):
            return low, high
    raise UsageError(f"'{text}' is no range of lines", hint="write 100:200, 100: or :200, counted from 1")


def read_part(file: IO[bytes], part: Part, *, lines: int = 0) -> Iterator[bytes]:
    """Blocks of whole lines of that part. `lines` is how many there are, 0 where that is not known.

    A file that can seek is read only from the nearer end; its times are taken to ascend.
    """
    size = _size(file)
    start = 0
    if size is None:
        yield from _forward(file, part)
        return
    first = part.first
    if part.tail is not None:
        start = _start_of_last(file, size, part.tail)
        first = 1
    elif lines and part.first > 1 and lines - part.first < part.first:
        start = _start_of_last(file, size, max(0, lines - part.first + 1))
        first = 1
    if part.since is not None:
        since = _start_of_time(file, size, part.since)
        if since > start:
            start, first = since, 1
    behind = None if part.last is None else max(0, part.last - part.first + 1)
    file.seek(start)
    yield from _numbered(file, first, behind)


def _numbered(file: IO[bytes], first: int, count: int | None) -> Iterator[bytes]:
    """Lines from the `first` on (from where the file stands), at most so many."""
    skip = first - 1
    rest = b""
    while (count is None or count > 0) and (chunk := file.read(_BLOCK)):
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if not newline:
            continue
        block = whole + newline
        there = block.count(b"\n")
        if skip >= there:
            skip -= there
            continue
        if skip:
            block, there, skip = block[_behind(block, skip) :], there - skip, 0
        if count is not None:
            if there > count:
                block, there = block[: _behind(block, count)], count
            count -= there
        yield block
    if rest and not skip and (count is None or count > 0):
        yield rest + b"\n"


def _forward(file: IO[bytes], part: Part) -> Iterator[bytes]:
    """For a file that cannot seek: all of it is read, the wanted is kept."""
    text = b"".join(iter(lambda: file.read(_BLOCK), b""))
    from io import BytesIO

    yield from read_part(BytesIO(text), part)


def _behind(block: bytes, count: int) -> int:
    """The place behind so many line ends."""
    at = 0
    for _ in range(count):
        at = block.index(b"\n", at) + 1
    return at


def _start_of_last(file: IO[bytes], size: int, count: int) -> int:
    """Where the last `count` lines begin; an unfinished last line counts."""
    if count <= 0:
        return size
    at, left = size, count
    first = True
    while at > 0:
        low = max(0, at - _BLOCK)
        file.seek(low)
        block = file.read(at - low)
        end = len(block)
        if first and block.endswith(b"\n"):
            end -= 1
        first = False
        while (found := block.rfind(b"\n", 0, end)) >= 0:
            left -= 1
            if not left:
                return low + found + 1
            end = found
        at = low
    return 0


def _start_of_time(file: IO[bytes], size: int, since: datetime) -> int:
    """Where the first line begins whose time is not before `since`: by halving, as times ascend."""
    from pipeline.engine.stage_log import stamp

    wanted = stamp(since).rstrip()
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        start = _line_at(file, middle, size)
        file.seek(start)
        if start >= high or file.read(_STAMP - 1) >= wanted:
            high = middle
        else:
            low = middle + 1
    return _line_at(file, low, size)


def _line_at(file: IO[bytes], place: int, size: int) -> int:
    """The start of the first line that begins at `place` or behind it."""
    if place == 0:
        return 0
    at = place - 1
    file.seek(at)
    while block := file.read(4096):
        found = block.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(block)
    return size


def _size(file: IO[bytes]) -> int | None:
    try:
        return file.seek(0, 2) if file.seekable() else None
    except (OSError, AttributeError):
        return None
