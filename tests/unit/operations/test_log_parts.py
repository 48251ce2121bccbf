"""Parts of a log: right at every border, and without reading what is not asked for."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.stage_log import stamp
from pipeline.errors import UsageError
from pipeline.operations.log_parts import Part, parse_lines, read_part

BEGUN = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def log(lines: int, *, width: int = 20) -> bytes:
    """A line a second."""
    return b"".join(stamp(BEGUN + timedelta(seconds=n)) + b"%d %s\n" % (n + 1, b"x" * width) for n in range(lines))


class Counting(io.BytesIO):
    """A file that counts what is read of it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def numbers(text: bytes, part: Part, *, lines: int = 0) -> list[int]:
    blocks = list(read_part(io.BytesIO(text), part, lines=lines))
    assert all(block.endswith(b"\n") for block in blocks)
    return [int(row.split()[1]) for row in b"".join(blocks).splitlines()]


@given(
    st.integers(0, 40), st.integers(1, 45), st.none() | st.integers(0, 45), st.none() | st.integers(0, 45),
    st.none() | st.integers(-3, 45), st.booleans(), st.booleans(),
)  # fmt: skip
def test_every_part_is_what_a_slice_would_give(
    total: int, first: int, more: int | None, tail: int | None, since: int | None, known: bool, unfinished: bool
) -> None:
    text = log(total, width=3)
    expected = list(range(1, total + 1))
    part = Part(since=BEGUN + timedelta(seconds=since) if since is not None else None)
    if tail is not None:
        part = Part(tail=tail, since=part.since)
        expected = expected[-tail:] if tail else []
    else:
        last = None if more is None else first + more
        part = Part(first=first, last=last) if since is None else part
        expected = expected[first - 1 : last] if since is None else expected
    if since is not None:
        expected = [number for number in expected if number > since]
    text = text[:-1] if unfinished else text
    assert numbers(text, part, lines=total if known else 0) == expected


def test_a_range_of_a_big_log_is_read_from_the_nearer_end() -> None:
    text = log(200_000, width=60)
    for part, most in (
        (Part(first=10, last=20), 300_000),
        (Part(first=199_990), 600_000),
        (Part(tail=5), 600_000),
        (Part(since=BEGUN + timedelta(seconds=199_000)), 1_200_000),
    ):
        file = Counting(text)
        assert sum(block.count(b"\n") for block in read_part(file, part, lines=200_000)) > 0
        assert file.count < most, part


def test_a_file_that_cannot_seek_is_read_through() -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert b"".join(read_part(Stream(log(9)), Part(tail=2))) == log(9)[len(log(7)) :]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("100:200", (100, 200), id="both"),
        pytest.param("100:", (100, None), id="from"),
        pytest.param(":200", (1, 200), id="to"),
        pytest.param("7", (7, 7), id="one"),
    ],
)
def test_ranges(text: str, wanted: tuple[int, int | None]) -> None:
    assert parse_lines(text) == wanted


@pytest.mark.parametrize("text", ["0:3", "5:4", "a:b", "1:2:3", "-4", ""])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(UsageError, match="no range of lines") as caught:
        parse_lines(text)
    assert caught.value.hint
