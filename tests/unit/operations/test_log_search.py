"""Searching logs: every match and none more, within bounds, and never hanging."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.model.history import LogPlace
from pipeline.operations.log_search import WIDEST, Expression, search
from pipeline.storage.directory import DirectoryStorage

STAMP = b"2026-11-23T23:00:00.000Z "


def placed(storage: DirectoryStorage, *lines: bytes, number: int = 1) -> LogPlace:
    """A stored log of these lines."""
    digest, _ = storage.put(io.BytesIO(b"".join(STAMP + line + b"\n" for line in lines)))
    return LogPlace(
        run=f"r{number}", number=number, repository="shop", branch="main", stage="unit", attempt=1, digest=digest
    )


def found(storage: DirectoryStorage, pattern: str, *places: LogPlace, context: int = 0, most: int = 1000) -> list[str]:
    """`run:line:text`, with `-` for neighbours."""
    return [
        f"{hit.place.number}{':' if hit.matched else '-'}{hit.line}:{hit.text.decode()}"
        for hit in search(storage, places, Expression(pattern), context=context, most=most)
    ]


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        pytest.param("reset", ["1:2:connection reset"], id="a word"),
        pytest.param("^conn", ["1:2:connection reset"], id="at the line's start, not at its time"),
        pytest.param("reset$", ["1:2:connection reset"], id="at its end"),
        pytest.param("2026", [], id="times are no part of a line"),
        pytest.param("red ERROR", ["1:3:red ERROR"], id="colours are no part of it either"),
        pytest.param("(?i)error", ["1:3:red ERROR"], id="capitals"),
        pytest.param(r"\Afirst\z", ["1:1:first"], id="edges of the text are those of the line"),
        pytest.param("Tee für", ["1:4:Tee für alle"], id="beyond ASCII"),
        pytest.param("first.connection", [], id="not across lines"),
        pytest.param(r"first\sconnection", [], id="a space is no line's end"),
    ],
)
def test_what_matches(tmp_path: Path, pattern: str, lines: list[str]) -> None:
    storage = DirectoryStorage(tmp_path)
    place = placed(storage, b"first", b"connection reset", b"red \x1b[31mERROR\x1b[0m", "Tee für alle".encode())
    assert found(storage, pattern, place) == lines


@given(st.lists(st.sampled_from([b"x", b"hit", b"a hit", b""]), max_size=12), st.integers(0, 3), st.booleans())
@settings(max_examples=80, deadline=None)
def test_context_is_what_grep_gives(lines: list[bytes], context: int, big: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        storage = DirectoryStorage(Path(folder))
        filler = [b"." * 600_000] * 3 if big else []  # so that the log is longer than a block
        lines = [*filler, *lines, *filler]
        place = placed(storage, *lines)
        matching = {at for at, line in enumerate(lines) if b"hit" in line}
        wanted = sorted(
            {near for at in matching for near in range(at - context, at + context + 1)} & set(range(len(lines)))
        )
        hits = list(search(storage, [place], Expression("hit"), context=context))
    assert [(hit.line - 1, hit.text, hit.matched) for hit in hits] == [
        (at, lines[at][: WIDEST + 1], at in matching) for at in wanted
    ]


def test_it_goes_through_runs_in_their_order_and_stops_in_time(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    places = [placed(storage, b"hit %d" % number, b"hit", number=number) for number in (3, 2, 1)]
    assert found(storage, "hit", *places) == ["3:1:hit 3", "3:2:hit", "2:1:hit 2", "2:2:hit", "1:1:hit 1", "1:2:hit"]
    assert found(storage, "hit", *places, most=3) == ["3:1:hit 3", "3:2:hit", "2:1:hit 2"]


def test_a_log_that_was_lost_is_passed_over_and_said(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    lost, kept = placed(storage, b"hit 1", number=1), placed(storage, b"hit 2", number=2)
    storage.delete(lost.digest)
    missing: list[LogPlace] = []
    hits = list(search(storage, [lost, kept], Expression("hit"), missing=missing.append))
    assert [(hit.place.number, hit.text) for hit in hits] == [(2, b"hit 2")]
    assert missing == [lost]


def test_an_expression_that_would_make_others_hang_is_answered(tmp_path: Path) -> None:
    evil = "(a|a)*(a|aa)+$"
    storage = DirectoryStorage(tmp_path)
    place = placed(storage, b"a" * 50_000 + b"!", b"aaa")
    assert found(storage, evil, place) == ["1:2:aaa"]
    assert re.compile(evil)  # Python's own engine takes it, and would be busy with that line for ages


@pytest.mark.parametrize("pattern", [r"(", r"(?=x)", r"(a)\1", r"[z-a]"])
def test_what_is_no_expression_is_said(pattern: str) -> None:
    with pytest.raises(UsageError, match="--grep: ") as caught:
        Expression(pattern)
    assert "RE2" in caught.value.hint
