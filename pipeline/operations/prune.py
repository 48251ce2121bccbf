"""Removing what finished and abandoned runs of this installation left behind; nothing of anybody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.errors import NotFoundError, StorageError
from pipeline.model.outcome import errored
from pipeline.model.run import Run
from pipeline.model.status import RunState
from pipeline.model.ulid import moment_of
from pipeline.operations.closing import close_run
from pipeline.operations.keeping import outlived
from pipeline.operations.runner_process import Life, claimant, life_of
from pipeline.ports.application import Application
from pipeline.ports.executor import Executor, Leftover
from pipeline.ports.records import Records, RunFilter

RESUMABLE = timedelta(hours=24)
"""So long a run whose process has gone is kept, because it could be resumed."""
UNRECORDED = timedelta(seconds=30)
"""So long a run may be under way before the records know of it."""
ABANDONED = "abandoned: the process that ran it has gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneRequest:
    """What to remove. `keep_images`: images of finished runs younger than this stay; `abandon`: close every run whose
    process has gone, however young it is."""

    abandon: bool = False
    keep_images: timedelta = RESUMABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Prunable:
    """What can go: leftovers by executor, runs to be closed, folders of logs, blobs that nobody names."""

    leftovers: Mapping[str, tuple[Leftover, ...]]
    runs: tuple[Run, ...]
    folders: tuple[Path, ...]
    blobs: tuple[tuple[str, int], ...]
    kept: tuple[Run, ...]
    """Runs whose process has gone but which could still be resumed."""


Progress = Callable[[str], None]


def prunable(app: Application, request: PruneRequest, executors: Sequence[str], *, progress: Progress) -> Prunable:
    """Find what can go; nothing is changed."""
    records, home, now = app.records, app.settings.home, app.clock.now()
    blobs = tuple(app.storage.digests())
    unfinished = [run for state in (RunState.RUNNING, RunState.QUEUED) for run in _all(records, state)]
    gone = [run for run in unfinished if life_of(run.runner) is Life.GONE]
    closing = [run for run in gone if request.abandon or now - run.created > RESUMABLE]
    verdict = _Verdict(app, closing, request, now)
    found: dict[str, tuple[Leftover, ...]] = {}
    for name in executors:
        progress(f"asking {name} for what runs left there")
        left = app.executor(name).leftovers(app.settings.installation)
        over = outlived(left, app.settings, now)
        found[name] = (*(item for item in left if item.kept is None and verdict.may_go(item)), *over)
    return Prunable(
        leftovers=found,
        runs=tuple(closing),
        folders=tuple(folder for folder in _folders(home) if verdict.over(folder.name)),
        blobs=() if len(gone) < len(unfinished) else _unnamed(app, blobs),
        kept=tuple(run for run in gone if run not in closing),
    )


def prune(app: Application, found: Prunable, *, progress: Progress) -> None:
    """Remove what was found. EngineError names what could not be removed; everything else has gone then."""
    for run in found.runs:
        progress(f"closing run {run.number or run.id}")
        close_run(app, run, errored(ABANDONED, hint="run it again"))
    for folder in found.folders:
        _remove(folder)
    if not any(life_of(run.runner) is not Life.GONE for run in _all(app.records, RunState.RUNNING)):
        for digest, _ in found.blobs:
            app.storage.delete(digest)
    for name, leftovers in found.leftovers.items():
        if leftovers:
            progress(f"removing {len(leftovers)} objects from {name}")
            executor: Executor = app.executor(name)
            executor.remove(leftovers)


class _Verdict:
    """Which runs are over, asked once each."""

    def __init__(self, app: Application, closing: Sequence[Run], request: PruneRequest, now: datetime) -> None:
        self._records = app.records
        self._runs = app.settings.home / "runs"
        self._closing = {run.id for run in closing}
        self._request = request
        self._now = now
        self._ends: dict[str, datetime | None] = {}

    def may_go(self, leftover: Leftover) -> bool:
        """Whether this object can be removed now."""
        ended = self._ended(leftover.run)
        if ended is None:
            return False
        if leftover.kind == "image" and leftover.run not in self._closing:
            return self._now - ended >= self._request.keep_images
        return True

    def over(self, run: str) -> bool:
        """Whether a run is over or will be closed now."""
        return self._ended(run) is not None

    def _ended(self, run: str) -> datetime | None:
        if run not in self._ends:
            self._ends[run] = self._ask(run)
        return self._ends[run]

    def _ask(self, run: str) -> datetime | None:
        if run in self._closing:
            return self._now
        try:
            known = self._records.find_run(run)
        except NotFoundError:
            return self._unrecorded(run)
        return (known.finished or known.created) if known.state is RunState.DONE else None

    def _unrecorded(self, run: str) -> datetime | None:
        """A run that the records do not know began a moment ago, or was killed then, or its records are lost."""
        try:
            begun = moment_of(run)
        except ValueError:
            return None
        runner = claimant(self._runs / run)
        if runner is not None and life_of(runner) is not Life.GONE:
            return None
        wait = RESUMABLE
        if self._request.abandon:
            wait = UNRECORDED if runner is None else timedelta()
        return begun if self._now - begun >= wait else None


def _all(records: Records, state: RunState) -> Sequence[Run]:
    return records.runs(RunFilter(state=state, limit=100_000))


def _folders(home: Path) -> tuple[Path, ...]:
    folder = home / "runs"
    return tuple(sorted(folder.iterdir())) if folder.is_dir() else ()


def _unnamed(app: Application, blobs: Sequence[str]) -> tuple[tuple[str, int], ...]:
    named = app.records.referenced_blobs()
    found: list[tuple[str, int]] = []
    for digest in blobs:
        if digest not in named:
            try:
                found.append((digest, app.storage.size(digest)))
            except NotFoundError:
                continue
    return tuple(found)


def _remove(folder: Path) -> None:
    import shutil

    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot remove {folder}: {error.strerror}", hint="check its permissions") from error
