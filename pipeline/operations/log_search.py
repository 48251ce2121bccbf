"""Searching the logs of a run, or of many: in linear time whatever the expression, and never without bound."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from pipeline.errors import NotFoundError, StorageError, UsageError
from pipeline.model.history import LogPlace
from pipeline.model.run import Run, StageRun
from pipeline.model.status import WENT_WRONG
from pipeline.ports.records import Records
from pipeline.ports.storage import Storage

WIDEST = 2000
"""Bytes of a line that are told: a bundle of JavaScript in a log is one line of a megabyte."""
_BLOCK = 1 << 20
_STAMPS = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", re.MULTILINE)
_COLOURS = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
_START = re.compile(rb"\^|\\[bB]")
_EDGE = re.compile(rb"\\[Az]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A line that matched, or (`matched` false) one beside it; `line` counts from 1 within its log. A longer one than
    `WIDEST` bytes has one byte more than that, and no more."""

    place: LogPlace
    line: int
    text: bytes
    matched: bool = True


class Expression:
    """A regular expression in RE2's syntax, which has no backtracking: no expression and no log can make it hang.

    UsageError for one that it does not know; look-around and back references are not among what it knows.
    """

    def __init__(self, pattern: str) -> None:
        import re2  # type: ignore[import-untyped]  # it ships none

        options = re2.Options()
        options.log_errors = False
        options.max_mem = 64 << 20
        raw = pattern.encode()
        try:
            self._of_line: Any = re2.compile(raw, options)
            self._of_block: Any = re2.compile(b"(?m)" + raw, options)
        except re2.error as error:
            said = error.args[0]
            raise UsageError(
                f"--grep: {said.decode(errors='replace') if isinstance(said, bytes) else said}",
                hint="the syntax is that of RE2: no look-around, no back references; escape dots and brackets with \\",
            ) from error
        self._at_start = bool(_START.search(raw))
        self._at_edge = bool(_EDGE.search(raw))

    def may_match(self, block: bytes) -> bool:
        """Whether a line of the block as it is stored could match: a quick look that may say yes in vain."""
        if self._at_edge:
            return True
        if self._at_start:
            block = _STAMPS.sub(b"", block)
        if b"\x1b" in block:
            block = _COLOURS.sub(b"", block)
        return self._of_block.search(block) is not None

    def matches(self, line: bytes) -> bool:
        """Whether a line without its time matches."""
        return self._of_line.search(line) is not None


def plain(block: bytes) -> bytes:
    """Stored lines without their times and colours."""
    text = _STAMPS.sub(b"", block)
    return _COLOURS.sub(b"", text) if b"\x1b" in text else text


def places_of(
    records: Records, *, repository: str = "", branch: str = "", failed: bool = False, runs: int, stage: str = ""
) -> Sequence[LogPlace]:
    """Logs of the newest runs; a stage's name stands for its cells."""
    wrong = tuple(WENT_WRONG) if failed else ()
    found = records.log_places(repository=repository, branch=branch, conclusions=wrong, runs=runs)
    return [item for item in found if not stage or item.stage == stage or item.stage.startswith(f"{stage}:")]


def places_in(run: Run, stages: Sequence[StageRun], *, attempt: int = 0, service: str = "") -> Sequence[LogPlace]:
    """Logs of the ended attempts of these stages of a run."""
    return [
        LogPlace(
            run=run.id,
            number=run.number,
            repository=run.repository,
            branch=run.branch,
            stage=stage.name,
            attempt=item.number,
            digest=digest,
            service=name,
        )
        for stage in stages
        for item in stage.attempts
        if attempt in (0, item.number)
        for name, digest in (("", item.log), *item.service_logs.items())
        if digest and (not service or name == service)
    ]


def search(
    storage: Storage,
    places: Iterable[LogPlace],
    expression: Expression,
    *,
    context: int = 0,
    most: int = 1000,
    missing: Callable[[LogPlace], None] = lambda _: None,
) -> Iterator[Hit]:
    """Lines that match, in the order of the logs, with `context` lines around each; it ends after `most` matches.

    Logs that are not there any more or cannot be read are passed over and given to `missing`. A small log is not
    compared with its digest, which would cost more than the search itself.
    """
    left = most
    for place in places:
        try:
            hits = _search_one(storage, place, expression, context, left)
        except (NotFoundError, StorageError):
            missing(place)
            continue
        for hit in hits:
            yield hit
            left -= hit.matched
        if left <= 0:
            return


def _search_one(storage: Storage, place: LogPlace, expression: Expression, context: int, most: int) -> Sequence[Hit]:
    first = storage.head(place.digest, _BLOCK)
    if len(first) < _BLOCK:
        return _hits(iter([first]), place, expression, context, most) if expression.may_match(first) else ()
    with storage.open(place.digest) as file:
        return _hits(_blocks(file), place, expression, context, most)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, block by block."""
    rest = b""
    while chunk := file.read(_BLOCK):
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield whole + newline
    if rest:
        yield rest + b"\n"


def _hits(blocks: Iterator[bytes], place: LogPlace, expression: Expression, context: int, most: int) -> Sequence[Hit]:
    found: list[Hit] = []
    before: list[bytes] = []
    number = matched = behind = 0
    for block in blocks:
        there = block.count(b"\n")
        if not behind and not expression.may_match(block):
            number += there
            before = _cut([*before, *plain(block)[:-1].split(b"\n")][-context:]) if context else []
            continue
        for line in plain(block)[:-1].split(b"\n"):
            number += 1
            if expression.matches(line):
                early = number - len(before)
                found += [Hit(place=place, line=early + at, text=text, matched=False) for at, text in enumerate(before)]
                found.append(Hit(place=place, line=number, text=line[: WIDEST + 1]))
                before, behind = [], context
                matched += 1
                if matched >= most:
                    return found
            elif behind:
                found.append(Hit(place=place, line=number, text=line[: WIDEST + 1], matched=False))
                behind -= 1
            elif context:
                before = [*before, line[: WIDEST + 1]][-context:]
    return found


def _cut(lines: list[bytes]) -> list[bytes]:
    return [line[: WIDEST + 1] for line in lines]
