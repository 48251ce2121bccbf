"""Logs of a run: from the storage when an attempt is over, from its growing file while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.errors import NotFoundError
from pipeline.model.identity import safe_name
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.operations.log_parts import Part, read_part
from pipeline.operations.runner_process import Life, life_of
from pipeline.operations.watch import FolderWatch
from pipeline.ports.records import Records
from pipeline.ports.storage import Storage

COPIES = "elsewhere"
"""The folder of the home with copies of what grows on other machines."""
_BLOCK = 256 * 1024
_LOOK_AGAIN = 0.2
"""Least seconds between two questions to the records while lines keep coming."""
_PATIENCE = 1.0
"""Seconds without news after which the records and the runner's life are looked at anyway."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogBlock:
    """Whole lines of a stage attempt, each `time, space, text, line end`."""

    stage: str
    attempt: int
    lines: bytes


def stages_of(run: Run, name: str | None) -> tuple[StageRun, ...]:
    """The stage of that name, or all; NotFoundError with the names that exist."""
    if name is None:
        return run.stages
    chosen = tuple(stage for stage in run.stages if stage.name == name)
    if not chosen:
        names = ", ".join(stage.name for stage in run.stages)
        raise NotFoundError(
            f"run {run.number or run.id} has no stage '{name}'", hint=f"its stages: {names}" if names else ""
        )
    return chosen


def cells_of(run: Run, name: str | None) -> tuple[StageRun, ...]:
    """As `stages_of`; the name of a matrix or a split, as written in the file, stands for all its cells."""
    cells = tuple(stage for stage in run.stages if name is not None and stage.group == name)
    return cells or stages_of(run, name)


def check_attempt(run: Run, stages: Sequence[StageRun], attempt: int) -> None:
    """NotFoundError when none of these stages has an attempt of that number."""
    if any(item.number == attempt for stage in stages for item in stage.attempts):
        return
    most = max((len(stage.attempts) for stage in stages), default=0)
    said = f"no stage of run {run.number or run.id} has an attempt {attempt}"
    if len(stages) == 1:
        said = f"stage '{stages[0].name}' has no attempt {attempt}"
    raise NotFoundError(said, hint=f"the last one is {most}" if most else "nothing was tried yet")


def read_parts(
    storage: Storage,
    home: Path,
    run: Run,
    stages: Sequence[StageRun],
    part: Part,
    *,
    attempt: int = 0,
    service: str = "",
) -> Iterator[LogBlock]:
    """A part of the log of each stage's last attempt, or of that `attempt`, or of what a `service` beside it printed.

    NotFoundError when no attempt had that service.
    """
    begun = sorted((stage for stage in stages if stage.started), key=lambda stage: str(stage.started))
    known: set[str] = set()
    for stage in begun:
        tried = [item for item in stage.attempts if attempt in (0, item.number)]
        known |= {name for item in tried for name in item.service_logs}
        for item in tried[-1:]:
            file = _opened(storage, home / "runs" / run.id, stage.name, item, service)
            if file is not None:
                known.add(service)
                with file:
                    for lines in read_part(file, part, lines=0 if service else item.log_lines):
                        yield LogBlock(stage=stage.name, attempt=item.number, lines=lines)
    if service and service not in known:
        names = ", ".join(sorted(known))
        raise NotFoundError(
            f"run {run.number or run.id} has no log of a service '{service}'",
            hint=f"its services: {names}" if names else "none of its stages that are over had a service",
        )


def _opened(storage: Storage, folder: Path, stage: str, attempt: Attempt, service: str) -> IO[bytes] | None:
    """The stored log of an attempt that is over, the growing one of one that runs; None where there is none."""
    digest = attempt.service_logs.get(service, "") if service else attempt.log
    if digest:
        return storage.open(digest)
    if attempt.finished is not None:
        return None
    name = f"{safe_name(stage)}.{attempt.number}"
    path = folder / (f"{name}.{safe_name(service)}.log" if service else f"{name}.log")
    if not path.exists():
        path = folder.parent.parent / COPIES / folder.name / path.name  # it may grow on another machine
    return path.open("rb") if path.exists() else None


def read_logs(
    storage: Storage, home: Path, run: Run, stages: Sequence[StageRun], attempt: int = 0
) -> Iterator[LogBlock]:
    """What there is now, stage by stage in order of their start; every attempt, or only that number."""
    begun = sorted((stage for stage in stages if stage.started), key=lambda stage: str(stage.started))
    for stage in begun:
        tail = _Tail(storage, home / "runs" / run.id, stage.name, only=attempt)
        with closing(tail):
            yield from tail.read(stage)


def follow_logs(records: Records, storage: Storage, home: Path, run: Run, names: Sequence[str]) -> Iterator[LogBlock]:
    """What there is and what comes, until these stages are done, the run is over, or its process has gone."""
    tails = [_Tail(storage, home / "runs" / run.id, name) for name in names]
    watch = FolderWatch(home / "runs" / run.id)
    asked = time.monotonic()
    try:
        while True:
            grown = False
            for tail in tails:
                for block in tail.read(run.stage(tail.stage)):
                    grown = True
                    yield block
            if run.state is RunState.DONE or all(run.stage(name).state is StageState.DONE for name in names):
                return
            changed = watch.wait(_PATIENCE)
            if not changed and not grown and life_of(run.runner) is Life.GONE:
                run = records.find_run(run.id)
                if run.state is not RunState.DONE:
                    return
            elif not grown or time.monotonic() - asked > _LOOK_AGAIN:
                run = records.find_run(run.id)
                asked = time.monotonic()
    finally:
        watch.close()
        for tail in tails:
            tail.close()


class _Tail:
    """One stage's logs, attempt after attempt; remembers how far it has read."""

    def __init__(self, storage: Storage, folder: Path, stage: str, *, only: int = 0) -> None:
        self.stage = stage
        self._storage = storage
        self._folder = folder
        self._only = only
        self._attempt = only or 1
        self._file: IO[bytes] | None = None
        self._rest = b""

    def read(self, stage: StageRun) -> Iterator[LogBlock]:
        """Whole lines that came since the last call, given what the records say of the stage."""
        ended = {attempt.number: attempt.log for attempt in stage.attempts if attempt.finished is not None}
        while self._attempt in ended:
            yield from self._ended(ended[self._attempt])
            if self._only:
                self._attempt = 0
                return
            self._attempt += 1
        if self._attempt and stage.state is not StageState.DONE:
            yield from self._growing()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _ended(self, digest: str) -> Iterator[LogBlock]:
        if self._file is None and digest:
            self._file = self._storage.open(digest)
        yield from self._growing()
        if self._rest:
            yield self._block(self._rest + b"\n")
            self._rest = b""
        self.close()

    def _growing(self) -> Iterator[LogBlock]:
        if self._file is None:
            path = self._folder / f"{safe_name(self.stage)}.{self._attempt}.log"
            if not path.exists():
                return
            self._file = path.open("rb")
        while chunk := self._file.read(_BLOCK):
            whole, newline, rest = (self._rest + chunk).rpartition(b"\n")
            self._rest = rest
            if newline:
                yield self._block(whole + newline)

    def _block(self, lines: bytes) -> LogBlock:
        return LogBlock(stage=self.stage, attempt=self._attempt, lines=lines)
