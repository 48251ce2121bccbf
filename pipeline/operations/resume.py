"""Going on with a run that another process left: killed with it, or parked until a person came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import NotFoundError, RecordsError, SourceError, UsageError
from pipeline.model.plan import Plan
from pipeline.model.run import Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.operations.allowance import with_allowance
from pipeline.operations.drive import Leg, drive
from pipeline.operations.losses import without_lost
from pipeline.operations.run_file import RunFile, interrupted, read_run_file
from pipeline.operations.runner_process import Life, claimant, life_of, this_process
from pipeline.operations.source import describe
from pipeline.operations.start import stage_runs
from pipeline.operations.waiting import handed_over
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.observer import Observer
from pipeline.ports.records import RunFilter

_LOOK_BACK = 50
"""How many of the latest runs are looked at for one that can be resumed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResumeRequest:
    """Which run (None: the latest of `repository` that was interrupted or is parked), and what is to start now."""

    repository: str
    reference: str | None = None
    started: frozenset[str] = frozenset()
    """Manual stages that a person starts."""
    parallel: int | None = None
    keep_failed: bool = False
    evicted: bool = False
    """Whether this process has a word that only one has (a lease): whoever ran it elsewhere has lost it."""


def resume(app: Application, request: ResumeRequest, observers: Sequence[Observer], *, cancel: Cancellation) -> Run:
    """Take the run over and run what is left of it; as `start` otherwise.

    UsageError where it runs still, is over, or cannot go on here; RefusedError when somebody was quicker.
    """
    run = find_resumable(app, request)
    executor = app.executor(run.executor)
    executor.warm()
    plan = recorded_plan(app, run)
    stages = _stages(plan, run)
    _check_started(plan, stages, request.started, run)
    executor.probe()  # while the engine cannot be asked what became of them, the stages under way must not end
    stages, again = without_lost(app, run, plan, stages)
    plan = with_source(plan, stages, run)
    app.records.reopen_run(run, this_process())
    for stage in stages:
        if stage.name in again:
            app.records.save_stage(run.id, stage)
    plan = with_allowance(app, plan, run=run.id)
    kept = read_run_file(app.settings.home / "runs" / run.id)
    begun = {item.stage.name for item in plan.stages if item.stage.when.manual and _begun(stages, item.stage.name)}
    leg = Leg(
        run=replace(run, state=RunState.RUNNING, stages=stages, runner=this_process()),
        plan=plan,
        parallel=request.parallel or (kept.parallel if kept else app.settings.parallel),
        started=request.started | begun,
        tried={
            stage.name: _finished(stage)
            for stage in stages
            if stage.state is not StageState.DONE and stage.name not in again
        },
        remarks={name: f"runs again: {why}" for name, why in again.items()},
        keep_failed=request.keep_failed,
    )
    return drive(app, leg, observers, cancel=cancel)


def hand_over(app: Application, request: ResumeRequest, *, note: Callable[[str], None]) -> bool:
    """Where a process waits beside the parked run (`--wait`), let that go on with it, and say so."""
    run = find_resumable(app, request)
    if run.state is not RunState.PARKED:
        return False
    plan = recorded_plan(app, run)
    _check_started(plan, _stages(plan, run), request.started, run)
    if not handed_over(app, run, request.started):
        return False
    note(f"run {run.number or run.id} goes on in the process that waits beside it")
    return True


def waits_beside(app: Application, run: str) -> bool:
    """Tell the process that waits beside a parked run (`--wait`), if there is one, to look again."""
    try:
        found = app.records.find_run(run)
    except NotFoundError:
        return False
    return found.state is RunState.PARKED and handed_over(app, found, frozenset())


def find_resumable(app: Application, request: ResumeRequest) -> Run:
    """The run that is meant, recorded by now; UsageError says why it cannot be resumed."""
    if request.reference in (None, "last"):
        run = _latest(app, request.repository)
        if run is None:
            raise UsageError(
                "no run of this repository was interrupted, and none is parked",
                hint=_instead(app, request.repository),
            )
        return run
    try:
        run = app.records.find_run(str(request.reference), repository=request.repository)
    except NotFoundError:
        run = _unrecorded(app, str(request.reference).lower())
    name = f"run {run.number or run.id}"
    if run.state is RunState.DONE:
        word = run.conclusion.value if run.conclusion else "done"
        raise UsageError(f"{name} is over: {word}", hint=f"`ecluse retry {run.number or run.id}` repeats what failed")
    if run.state is RunState.PARKED:
        return run
    match life_of(run.runner):
        case Life.ALIVE:
            raise UsageError(
                f"{name} is still running (process {run.runner.pid if run.runner else '?'})",
                hint=f"watch it with `ecluse logs {run.number or run.id} --follow`, or stop it with `ecluse cancel`",
            )
        case Life.ELSEWHERE if not request.evicted:
            raise UsageError(f"{name} runs on host '{run.runner.host if run.runner else '?'}'", hint="resume it there")
        case Life.GONE | Life.ELSEWHERE:
            return run


def recorded_plan(app: Application, run: Run) -> Plan:
    """The plan of a run with all that was emitted; RecordsError where this version cannot read it."""
    try:
        return Plan.from_json(app.records.plan(run.id))
    except ValueError as error:
        raise RecordsError(
            f"the plan of run {run.number or run.id} cannot be read: {error}",
            hint="another version of Écluse recorded it: use that, or start anew with `ecluse run`",
        ) from error


def with_source(plan: Plan, stages: Sequence[StageRun], run: Run) -> Plan:
    """The plan, to be checked out from where its commit can still be had; UsageError where it cannot.

    A working tree that has moved on is not what this run is about: its commit is taken from the repository instead.
    """
    source = plan.source
    waiting = {stage.name for stage in stages if stage.state is not StageState.DONE}
    if not any(item.stage.kind == "checkout" and item.stage.name in waiting for item in plan.stages):
        return plan
    if not source.path or source.revision:
        return plan
    try:
        now = describe(Path(source.path)).commit
        if (now.sha, now.dirty, now.tree) == (source.commit.sha, source.commit.dirty, source.commit.tree):
            return plan
        if not source.commit.dirty:
            describe(Path(source.path), source.commit.sha)
    except SourceError as error:
        raise UsageError(
            f"run {run.number or run.id} has yet to check out commit {source.commit.short}: {error.message}",
            hint="put the repository back to where it was, or start anew with `ecluse run`",
        ) from error
    if source.commit.dirty:
        raise UsageError(
            f"run {run.number or run.id} is about uncommitted changes in {source.path}, which has changed since",
            hint="start anew with `ecluse run`",
        )
    return replace(plan, source=replace(source, revision=source.commit.sha))


def _stages(plan: Plan, run: Run) -> tuple[StageRun, ...]:
    """The stage runs as they stand: what was under way waits again, and keeps its unfinished attempt."""
    known = {stage.name: stage for stage in run.stages}
    stages = (known.get(fresh.name, fresh) for fresh in stage_runs(plan))
    return tuple(
        stage
        if stage.state is StageState.DONE
        else replace(stage, state=StageState.WAITING, outcome=None, finished=None, parked="")
        for stage in stages
    )


def _begun(stages: Sequence[StageRun], name: str) -> bool:
    return any(stage.name == name and stage.attempts and stage.state is not StageState.DONE for stage in stages)


def _finished(stage: StageRun) -> int:
    return sum(1 for attempt in stage.attempts if attempt.finished is not None)


def _check_started(plan: Plan, stages: Sequence[StageRun], started: frozenset[str], run: Run) -> None:
    waiting = {stage.name for stage in stages if stage.state is not StageState.DONE}
    manual = [item.stage.name for item in plan.stages if item.stage.when.manual and item.stage.name in waiting]
    for name in sorted(started):
        if name not in manual:
            raise UsageError(
                f"run {run.number or run.id} has no stage '{name}' that waits to be started",
                hint=f"those that do: {', '.join(manual)}" if manual else "none of its stages is `manual` and waits",
            )


def _latest(app: Application, repository: str) -> Run | None:
    """The newest run of a repository that can be resumed, recorded or not."""
    runs = app.records.runs(RunFilter(repository=repository, limit=_LOOK_BACK))
    recorded = [
        run
        for run in runs
        if run.state is RunState.PARKED or (run.state is not RunState.DONE and life_of(run.runner) is Life.GONE)
    ]
    known = {run.id for run in runs}
    cut = [file for file in interrupted(app.settings.home) if file.run.repository == repository]
    lost = [file for file in cut if file.run.id not in known and not _is_recorded(app, file.run.id)]
    newest = max([run.id for run in recorded] + [file.run.id for file in lost], default=None)
    for file in lost:
        if file.run.id == newest:
            return _record(app, file)
    return next((app.records.find_run(run.id) for run in recorded if run.id == newest), None)


def _instead(app: Application, repository: str) -> str:
    """What to do where nothing can be resumed: look at the run that is under way, else start one."""
    for run in app.records.runs(RunFilter(repository=repository, state=RunState.RUNNING, limit=_LOOK_BACK)):
        if life_of(run.runner) is Life.ALIVE:
            process = run.runner.pid if run.runner else "?"
            return f"run {run.number} is running (process {process}): `ecluse logs {run.number} --follow` shows it"
    return "`ecluse run` starts one; `ecluse retry last` repeats what failed"


def _is_recorded(app: Application, run: str) -> bool:
    try:
        app.records.find_run(run)
    except NotFoundError:
        return False
    return True


def _unrecorded(app: Application, reference: str) -> Run:
    """A run that was killed before the records knew of it, by its id's beginning."""
    folder = app.settings.home / "runs"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [name for name in names if len(reference) >= 4 and name.startswith(reference)]
    file = read_run_file(folder / found[0]) if len(found) == 1 else None
    if file is None:
        raise NotFoundError(f"there is no run '{reference}'", hint="`ecluse runs` lists them")
    runner = claimant(folder / file.run.id)
    if runner is not None and life_of(runner) is not Life.GONE:
        raise UsageError(f"run {file.run.id} is still running (process {runner.pid})", hint="let it end, or stop it")
    return _record(app, file)


def _record(app: Application, file: RunFile) -> Run:
    run = replace(file.run, stages=stage_runs(file.plan))
    return replace(run, number=app.records.create_run(run, file.plan))
