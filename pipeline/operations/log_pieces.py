"""The logs of a run in pieces, for somebody elsewhere who remembers how far they have read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from pipeline.errors import UsageError
from pipeline.model.identity import safe_name
from pipeline.model.run import Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.operations.log_elsewhere import copy_of, refreshed
from pipeline.operations.runner_process import Life, life_of
from pipeline.ports.application import Application
from pipeline.ports.records import Records

_BLOCK = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPiece:
    """Whole lines of a stage attempt, each `time, space, text, line end`; `start` is the place of their first byte in
    the attempt's log, None where it was not asked from a place on."""

    stage: str
    attempt: int
    start: int | None
    lines: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """How far somebody has read of a stage: all attempts before this one, and of this one so many bytes."""

    attempt: int
    read: int


def parse_mark(text: str) -> tuple[str, Mark]:
    """`STAGE:ATTEMPT:BYTES` as the stage's name and the mark. UsageError for anything else."""
    stage, _, place = text.rpartition(":")
    stage, _, attempt = stage.rpartition(":")
    if stage and attempt.isdecimal() and place.isdecimal() and len(attempt) < 10 and len(place) < 19:
        return stage, Mark(attempt=int(attempt), read=int(place))
    raise UsageError(f"'{text[:200]}' says not how far a log was read", hint="write STAGE:ATTEMPT:BYTES")


def log_pieces(
    app: Application,
    run: Run,
    stages: Sequence[StageRun],
    *,
    attempt: int = 0,
    marks: Mapping[str, Mark] | None = None,
) -> Iterator[LogPiece]:
    """What there is now behind the marks, stage by stage in order of their start; every attempt, or only that number.

    A log that is shorter than its mark has begun anew, and comes from its start.
    """
    begun = sorted((stage for stage in stages if stage.started), key=lambda stage: str(stage.started))
    for stage in begun:
        mark = (marks or {}).get(stage.name, Mark(attempt=0, read=0))
        for number, digest, ended in _logs_of(stage, attempt):
            if number < mark.attempt:
                continue
            file = _opened(app, run, f"{safe_name(stage.name)}.{number}.log", digest)
            if file is not None:
                with file:
                    start = _from(file, mark.read) if number == mark.attempt else 0
                    for lines in _whole(file, ended=ended):
                        yield LogPiece(stage=stage.name, attempt=number, start=start, lines=lines)
                        start += len(lines)


def nothing_follows(records: Records, run: Run, names: Sequence[str]) -> bool:
    """Whether these stages are done, their run is over, or its process has gone, as the records said it of `run`."""
    if run.state is RunState.DONE or all(run.stage(name).state is StageState.DONE for name in names):
        return True
    return life_of(run.runner) is Life.GONE and records.find_run(run.id).state is not RunState.DONE


def _logs_of(stage: StageRun, only: int) -> Iterator[tuple[int, str, bool]]:
    """Number, digest and whether it has ended, of each attempt; the one that runs may not be in the records yet."""
    ended = {item.number: item.log for item in stage.attempts if item.finished is not None}
    number = only or 1
    while number in ended:
        yield number, ended[number], True
        if only:
            return
        number += 1
    if stage.state is not StageState.DONE:
        yield number, "", False


def _opened(app: Application, run: Run, name: str, digest: str) -> IO[bytes] | None:
    """The stored one, or else the one that grows: here, or as far as another machine has sent it."""
    if digest:
        return app.storage.open(digest)
    path = app.settings.home / "runs" / run.id / name
    if not path.exists() and life_of(run.runner) is Life.ELSEWHERE:
        path = copy_of(app.settings.home, run.id, name)
        refreshed(app, path)
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _from(file: IO[bytes], place: int) -> int:
    """Go there; 0, the start, where the log does not reach so far. Its last line end may be one that it lacks."""
    if file.seekable():
        size = file.seek(0, io.SEEK_END)
        if place <= size + 1:
            return file.seek(min(place, size))
        return file.seek(0)
    left = place
    while left > 0 and (block := file.read(min(left, _BLOCK))):
        left -= len(block)
    return place


def _whole(file: IO[bytes], *, ended: bool) -> Iterator[bytes]:
    """Blocks of whole lines; of a log that has ended the last line, too, where it is not whole."""
    rest = b""
    while chunk := file.read(_BLOCK):
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield whole + newline
    if rest and ended:
        yield rest + b"\n"
