"""A log as somebody looks at it on a page: by line numbers, by its commands, by what is searched for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.errors import NotFoundError
from pipeline.model.identity import safe_name
from pipeline.model.run import Attempt, Run
from pipeline.operations.log_parts import Part, read_part
from pipeline.operations.log_search import Expression, plain
from pipeline.operations.logs import check_attempt, stages_of
from pipeline.ports.storage import Storage

COMMAND = b"\x1b[1;36m$ "
"""How the header line of a command begins behind its time."""
_STAMP = len("2026-11-23T23:00:00.123Z ")
_BLOCK = 256 * 1024
_ELSEWHERE = "it grows on another machine, and is seen here while it does once both have the setting 'store'"


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPaper:
    """The log of one attempt at a stage, or of a service beside it. `digest` is "" while it grows at `path`."""

    stage: str
    attempt: int
    attempts: tuple[int, ...]
    services: tuple[str, ...]
    """Services that have logs of their own."""
    ended: bool
    digest: str
    path: Path
    lines: int
    """How many there are; 0 where that was not counted."""

    @property
    def readable(self) -> bool:
        """Whether there is anything to read on this machine."""
        return bool(self.digest) or self.path.exists()

    def open(self, storage: Storage) -> IO[bytes]:
        """NotFoundError where it is gone, or grows on another machine."""
        if self.digest:
            return storage.open(self.digest)
        try:
            return self.path.open("rb")
        except FileNotFoundError:
            hint = "its time was over" if self.ended else _ELSEWHERE
            raise NotFoundError(f"there is no log of stage '{self.stage}' here", hint=hint) from None


def paper_of(home: Path, run: Run, stage: str, *, attempt: int = 0, service: str = "") -> LogPaper:
    """Of that attempt, or of the last one. NotFoundError for a stage or an attempt that there is not."""
    chosen = stages_of(run, stage)[0]
    if attempt:
        check_attempt(run, (chosen,), attempt)
    last = chosen.attempts[-1] if chosen.attempts else None
    found = next((item for item in chosen.attempts if item.number == attempt), last)
    number = found.number if found else 1
    name = f"{safe_name(stage)}.{number}"
    folder = home / "runs" / run.id
    return LogPaper(
        stage=chosen.name,
        attempt=number,
        attempts=tuple(item.number for item in chosen.attempts),
        services=tuple(sorted(found.service_logs)) if found else (),
        ended=found is not None and found.finished is not None,
        digest=_digest(found, service),
        path=folder / (f"{name}.{safe_name(service)}.log" if service else f"{name}.log"),
        lines=found.log_lines if found and not service else 0,
    )


def window(storage: Storage, paper: LogPaper, first: int, last: int) -> Sequence[bytes]:
    """Stored lines of that range, without their ends."""
    with paper.open(storage) as file:
        text = b"".join(read_part(file, Part(first=first, last=last), lines=paper.lines))
    return text.split(b"\n")[:-1]


def counted(storage: Storage, paper: LogPaper) -> int:
    """How many lines there are now."""
    if paper.lines:
        return paper.lines
    with paper.open(storage) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))


def commands(storage: Storage, paper: LogPaper, *, most: int = 5000) -> Sequence[tuple[int, str]]:
    """Line number and text of each command, as far as there are not too many."""
    found: list[tuple[int, str]] = []
    for number, block in _blocks(storage, paper):
        at = block.find(COMMAND)
        line, counted_to = number, 0
        while at >= 0 and len(found) < most:
            start = block.rfind(b"\n", 0, at) + 1
            line += block.count(b"\n", counted_to, start)
            counted_to = start
            end = block.index(b"\n", at)
            if at - start == _STAMP:  # at the very start of what was printed
                found.append((line, plain(block[start : end + 1])[2:-1].decode(errors="replace")))
            at = block.find(COMMAND, end)
    return found


def find(storage: Storage, paper: LogPaper, expression: Expression, *, most: int = 2000) -> Sequence[int]:
    """Numbers of lines that match."""
    found: list[int] = []
    for number, block in _blocks(storage, paper):
        if not expression.may_match(block):
            continue
        for index, line in enumerate(plain(block)[:-1].split(b"\n")):
            if expression.matches(line):
                found.append(number + index)
                if len(found) >= most:
                    return found
    return found


def _digest(attempt: Attempt | None, service: str) -> str:
    if attempt is None:
        return ""
    return attempt.service_logs.get(service, "") if service else attempt.log


def _blocks(storage: Storage, paper: LogPaper) -> Iterator[tuple[int, bytes]]:
    """Whole lines, block by block, with the number of the first."""
    number, rest = 1, b""
    with paper.open(storage) as file:
        while chunk := file.read(_BLOCK):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                yield number, whole + newline
                number += whole.count(b"\n") + 1
    if rest:
        yield number, rest + b"\n"
