"""Removing what finished and abandoned runs of this installation left behind; nothing of anybody else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.errors import DiskFullError, NotFoundError, StorageError
from pipeline.model.history import ExpiredArtifact, RunOutline
from pipeline.model.identity import TRIAL
from pipeline.model.outcome import errored
from pipeline.model.run import Run
from pipeline.model.status import RunState
from pipeline.model.ulid import moment_of
from pipeline.operations.closing import close_run
from pipeline.operations.holding import held_by_releases, held_by_remains, held_by_runs
from pipeline.operations.keeping import outlived
from pipeline.operations.probes import note_probes, stale_probes
from pipeline.operations.retention import Rule, due
from pipeline.operations.runner_process import Life, claimant, life_of
from pipeline.operations.stale_files import StaleFile, remove_stale, stale_files
from pipeline.ports.application import Application
from pipeline.ports.executor import Executor, Leftover
from pipeline.ports.records import Records, RunFilter

RESUMABLE = timedelta(hours=24)
"""So long a run whose process has gone is kept, because it could be resumed."""
UNRECORDED = timedelta(seconds=30)
"""So long a run may be under way before the records know of it."""
AT_ONCE = 200
"""Runs that are forgotten in one transaction, so that a run under way need not wait long to be recorded."""
ABANDONED = "abandoned: the process that ran it has gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneRequest:
    """What to remove. `keep_images`: images of finished runs younger than this stay; `abandon`: close every run whose
    process has gone, however young it is."""

    abandon: bool = False
    keep_images: timedelta = RESUMABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Prunable:
    """What can go: leftovers by executor, runs to be closed, folders of logs, runs whose time is over with the
    artifacts whose own time is, blobs that nobody names then, and files that nobody uses."""

    leftovers: Mapping[str, tuple[Leftover, ...]]
    runs: tuple[Run, ...]
    folders: tuple[Path, ...]
    blobs: tuple[tuple[str, int], ...]
    kept: tuple[Run, ...]
    """Runs whose process has gone but which could still be resumed."""
    old_runs: frozenset[str] = frozenset()
    artifacts: tuple[ExpiredArtifact, ...] = ()
    files: tuple[StaleFile, ...] = ()
    stored: tuple[str, ...] = ()
    """All blobs that there were before anything else was asked: what comes later is not touched."""
    probes: frozenset[str] = frozenset()
    """Trials of the engine that have left something."""
    lost: bool = False
    """The records know no run at all, but blobs are stored: they stay, in case that the records come back."""


Progress = Callable[[str], None]


def prunable(app: Application, request: PruneRequest, executors: Sequence[str], *, progress: Progress) -> Prunable:
    """Find what can go; nothing is changed."""
    records, home, now = app.records, app.settings.home, app.clock.now()
    stored = tuple(app.storage.digests())
    outlines = records.outlines()
    lost = not outlines and bool(stored) and not request.abandon
    unfinished = [run for state in RunState if state is not RunState.DONE for run in _all(records, state)]
    alone = [run for run in unfinished if run.state is not RunState.PARKED]
    gone = [run for run in alone if life_of(run.runner) is Life.GONE]
    closing = [run for run in gone if request.abandon or now - run.created > RESUMABLE]
    kept = tuple(run for run in gone if run not in closing)
    released = held_by_releases(records)
    verdict = _Verdict(home, outlines, closing, released, request, now)
    left: dict[str, tuple[Leftover, ...]] = {}
    over: dict[str, tuple[Leftover, ...]] = {}
    for name in executors:
        progress(f"asking {name} for what runs left there")
        left[name] = app.executor(name).leftovers(app.settings.installation)
        over[name] = outlived(left[name], app.settings, now)
    runs_left = frozenset(item.run for items in left.values() for item in items)
    trials = frozenset(run for run in runs_left if run.startswith(TRIAL))
    probes = trials if request.abandon else stale_probes(home, trials, now)
    held = released | held_by_runs(run for run in unfinished if run not in closing) | held_by_remains(left, over)
    blobs = _Blobs(app, stored, now)
    old = blobs.old_runs(outlines, held)
    folders = tuple(folder for folder in _folders(home) if verdict.over(folder.name))
    return Prunable(
        leftovers={
            name: (*(item for item in items if item.kept is None and verdict.may_go(item, probes)), *over[name])
            for name, items in left.items()
        },
        runs=tuple(closing),
        folders=folders,
        blobs=() if lost or len(closing) < len(alone) or _claimed(home, folders) else blobs.unnamed(old),
        kept=kept,
        old_runs=old,
        artifacts=blobs.expired,
        files=stale_files(home, now),
        stored=() if lost else stored,
        probes=trials,
        lost=lost,
    )


def prune(app: Application, found: Prunable, *, progress: Progress) -> Prunable:
    """Remove what was found; what really went. EngineError names what could not be removed; everything else has gone
    then. DiskFullError where nothing can be recorded: all that needs no record has gone."""
    now, closing = app.clock.now(), {run.id for run in found.runs}
    files = tuple(item for item in found.files if remove_stale(item, now))
    for folder in found.folders:
        if folder.name not in closing:
            _remove(folder)
    try:
        found = _settled(app, found, now, progress)
    except DiskFullError:
        # Not a word more can be recorded: what needs none goes, for the next attempt may have room by that.
        _remove_objects(app, found, progress, without=closing)
        raise
    note_probes(app.settings.home, found.probes, now)
    _remove_objects(app, found, progress)
    return replace(found, files=files)


def _settled(app: Application, found: Prunable, now: datetime, progress: Progress) -> Prunable:
    """What the records and the stores say afterwards: runs closed and forgotten, blobs that nobody names gone."""
    records, settings = app.records, app.settings
    for run in found.runs:
        progress(f"closing run {run.number or run.id}")
        close_run(app, run, errored(ABANDONED, hint="run it again"))
        _remove(settings.home / "runs" / run.id)
    if found.old_runs:
        progress(f"forgetting {len(found.old_runs)} runs")
        ids = sorted(found.old_runs)
        for start in range(0, len(ids), AT_ONCE):
            records.delete_runs(ids[start : start + AT_ONCE])
    artifacts = records.expire_artifacts(now) if found.artifacts else ()
    app.reuse.prune(before=now - timedelta(days=settings.reuse_days), most=settings.reuse_limit)
    blobs: tuple[tuple[str, int], ...] = ()
    under_way = any(_all(records, state) for state in (RunState.RUNNING, RunState.QUEUED))
    if not under_way and not _claimed(settings.home):
        blobs = _Blobs(app, found.stored, now).unnamed(frozenset())
        for digest, _ in blobs:
            app.storage.delete(digest)
    return replace(found, artifacts=tuple(artifacts), blobs=blobs)


def _remove_objects(
    app: Application, found: Prunable, progress: Progress, without: Collection[str] = frozenset()
) -> None:
    for name, leftovers in found.leftovers.items():
        going = tuple(item for item in leftovers if item.run not in without)
        if going:
            progress(f"removing {len(going)} objects from {name}")
            executor: Executor = app.executor(name)
            executor.remove(going)


class _Blobs:
    """Who names which blob, and which are named by nobody."""

    def __init__(self, app: Application, stored: Sequence[str], now: datetime) -> None:
        self._app = app
        self._stored = stored
        self._of_runs = app.records.blobs_by_run(expired_at=now)
        self._reused = app.reuse.referenced_blobs()
        self.expired = tuple(app.records.expired_artifacts(now))
        self._now = now

    def old_runs(self, outlines: Sequence[RunOutline], held: frozenset[str]) -> frozenset[str]:
        """Runs whose time is over."""
        rule = Rule.of(self._app.settings)
        sizes = dict(self._sized(self._stored)) if rule.room else {}
        return due(outlines, rule, held=held, now=self._now, blobs=self._of_runs, sizes=sizes, elsewhere=self._reused)

    def unnamed(self, without: frozenset[str]) -> tuple[tuple[str, int], ...]:
        """Blobs that nobody names, once these runs are forgotten and the artifacts have expired."""
        named = {digest for run, digests in self._of_runs.items() if run not in without for digest in digests}
        named |= self._reused
        return tuple(self._sized(digest for digest in self._stored if digest not in named))

    def _sized(self, digests: Iterable[str]) -> Iterator[tuple[str, int]]:
        for digest in digests:
            try:
                yield digest, self._app.storage.size(digest)
            except NotFoundError:
                continue


class _Verdict:
    """Which runs are over."""

    def __init__(
        self,
        home: Path,
        outlines: Sequence[RunOutline],
        closing: Sequence[Run],
        released: frozenset[str],
        request: PruneRequest,
        now: datetime,
    ) -> None:
        self._known = {run.run: run for run in outlines}
        self._runs = home / "runs"
        self._closing = {run.id for run in closing}
        self._released = released
        self._request = request
        self._now = now

    def may_go(self, leftover: Leftover, probes: frozenset[str]) -> bool:
        """Whether this object can be removed now. Images of a live release stay as long as it lives."""
        if leftover.run in probes:
            return True
        ended = self._ended(leftover.run)
        if ended is None:
            return False
        if leftover.kind == "image" and leftover.run not in self._closing:
            return leftover.run not in self._released and self._now - ended >= self._request.keep_images
        return True

    def over(self, run: str) -> bool:
        """Whether a run is over or will be closed now."""
        return self._ended(run) is not None

    def _ended(self, run: str) -> datetime | None:
        if run in self._closing:
            return self._now
        known = self._known.get(run)
        if known is None:
            return self._unrecorded(run)
        return (known.ended or known.created) if known.state is RunState.DONE else None

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


def _claimed(home: Path, going: Sequence[Path] = ()) -> bool:
    """Whether a run has begun, or was cut off, that the records may not know yet: its blobs are named by nobody."""
    return any(claimant(folder) is not None for folder in _folders(home) if folder not in going)


def _remove(folder: Path) -> None:
    import shutil

    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot remove {folder}: {error.strerror}", hint="check its permissions") from error
