"""One item of the queue becomes a run, or a run goes on: in a process of its own, whose word is the item's lease."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pipeline.errors import (
    DefinitionError,
    EcluseError,
    NotFoundError,
    NotStartedError,
    SourceError,
    SourceUnreachableError,
)
from pipeline.model.job import Job
from pipeline.model.outcome import cancelled
from pipeline.model.plan import Plan
from pipeline.model.repository import Repository
from pipeline.model.run import Run
from pipeline.model.source import Event
from pipeline.model.status import Conclusion, RunState
from pipeline.model.trust import Trust
from pipeline.model.work import Fence, WorkItem, WorkState
from pipeline.operations.allowance import Allowance, allowance_of, keep_allowance
from pipeline.operations.cancel import end_run
from pipeline.operations.prepare import StartRequest, prepared
from pipeline.operations.resume import ResumeRequest, recorded_plan, resume
from pipeline.operations.retry import RetryRequest, plan_retry, retry
from pipeline.operations.run_file import read_run_file
from pipeline.operations.runner_process import Life, claimant, life_of, this_process
from pipeline.operations.serving.asking import subject_of
from pipeline.operations.serving.labels import labels_of
from pipeline.operations.serving.mirror import Mirror
from pipeline.operations.source import describe
from pipeline.operations.start import start
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.observer import Observer

_TRIES = 3
_PAUSE = 2.0
"""Seconds before a fetch that failed is tried again; doubled each time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What becomes of the item."""

    state: WorkState
    """`queued`: another worker is to take it, with these `labels`."""
    detail: str
    labels: tuple[str, ...] = ()


def make(app: Application, item: WorkItem, *, cancel: Cancellation, observers: Sequence[Observer] = ()) -> Made:
    """Bring the item's run, or its promotion, as far as it gets: to its end, or until it parks.

    A run that is known is gone on with, so whoever takes an item over makes no second one. What keeps a run from being
    planned is told in the item's detail, and recorded as a run that failed where the commit is known.
    """
    if item.request.wish is not None:
        from pipeline.operations.serving.promoting import carry_out

        state, detail = carry_out(app, item, cancel=cancel)
        return Made(state=state, detail=detail)
    app.records.hold(Fence(run=subject_of(item), item=item.id, token=item.token))
    _evict(app, subject_of(item))
    known = _known(app, subject_of(item))
    if item.cancel:
        return _cancelled(app, item, known)
    if known is None:
        return _started(app, item, cancel, observers)
    if known.state is RunState.DONE and not _to_repeat(item, known):
        return _made(known)
    repository = app.intake.find_repository(item.request.repository)
    known = _brought(app, repository, item, known)
    if item.request.allowed:
        keep_allowance(app, _allowance(app, item, known))
    if known.state is RunState.DONE:
        wanted = RetryRequest(repository=known.repository, reference=known.id)
        run = retry(app, plan_retry(app, wanted), wanted, observers, cancel=cancel)
    else:
        run = resume(app, _resumption(item, known), observers, cancel=cancel)
    return _made(_gone_on(app, run, observers, cancel))


def _started(app: Application, item: WorkItem, cancel: Cancellation, observers: Sequence[Observer]) -> Made:
    repository = app.intake.find_repository(item.request.repository)
    mirror = Mirror(app, repository)
    request: StartRequest | None = None
    try:
        request = _request(app, item, repository, mirror, cancel)
        elsewhere = _elsewhere(app, item, request)
        if elsewhere is not None:
            return elsewhere
        return _made(_gone_on(app, start(app, request, observers, cancel=cancel), observers, cancel))
    except NotStartedError as error:
        return Made(state=WorkState.DONE, detail=f"not started: {error.message}")
    except EcluseError as error:
        if _known(app, item.id) is not None:
            raise
        if cancel.cancelled:
            return Made(state=WorkState.DONE, detail=cancel.reason)
        if request is not None:
            _record_failure(app, item, repository, request)
        return Made(state=WorkState.DONE, detail=_told(error))


def _elsewhere(app: Application, item: WorkItem, request: StartRequest) -> Made | None:
    """Where nobody could read the pipeline file before this: whether a worker with other labels is to take it."""
    if item.request.event.kind != "manual" or item.labels:
        return None
    with suppress(DefinitionError):  # told when it is planned
        wanted = labels_of(prepared(app, request).definition)
        missing = [label for label in wanted if label not in app.settings.labels]
        if missing:
            named = ", ".join(repr(label) for label in missing)
            return Made(state=WorkState.QUEUED, detail=f"needs a worker with the label {named}", labels=wanted)
    return None


def _request(
    app: Application, item: WorkItem, repository: Repository, mirror: Mirror, cancel: Cancellation
) -> StartRequest:
    """The commit is here when this returns."""
    asked, event = item.request, item.request.event
    pause = _PAUSE
    for left in range(_TRIES - 1, -1, -1):
        try:
            sha, event = _commit(mirror, item, repository)
            break
        except SourceUnreachableError:
            if not left or cancel.wait(pause):
                raise
            pause *= 2
    return StartRequest(
        repository=mirror.path,
        file=repository.file,
        revision=sha,
        variables=asked.variables,
        keep_failed=app.settings.keep_failed,
        job=Job(event=event, sha=sha, foreign=event.trust is Trust.UNTRUSTED),
        run=item.id,
    )


def _commit(mirror: Mirror, item: WorkItem, repository: Repository) -> tuple[str, Event]:
    """The commit, and the event with what only the repository could tell of it."""
    asked = item.request
    if mirror.has(asked.sha) or asked.event.kind in ("push", "pull_request"):
        mirror.bring(asked.sha, proposal=asked.event.proposal)
        return asked.sha, asked.event
    mirror.fetch()
    tip = mirror.find(asked.sha)
    if tip is None:
        raise SourceError(
            f"{repository.name} has no branch, tag or commit '{asked.sha}'", hint="push it, or name another one"
        )
    named = replace(asked.event, branch=asked.event.branch or tip.branch, tag=asked.event.tag or tip.tag)
    return tip.sha, named


def _brought(app: Application, repository: Repository, item: WorkItem, run: Run) -> Run:
    """The run, whose source is here: another machine may have begun it."""
    plan = recorded_plan(app, run)
    mirror = Mirror(app, repository)
    if not plan.source.revision or plan.source.path == str(mirror.path):
        if plan.source.revision:
            mirror.bring(plan.source.commit.sha, proposal=item.request.event.proposal)
        return run
    mirror.bring(plan.source.commit.sha, proposal=item.request.event.proposal)
    app.records.save_plan(run.id, replace(plan, source=replace(plan.source, path=str(mirror.path))))
    return run


def _resumption(item: WorkItem, run: Run) -> ResumeRequest:
    return ResumeRequest(
        repository=run.repository, reference=run.id, started=frozenset(item.request.started), evicted=True
    )


def _gone_on(app: Application, run: Run, observers: Sequence[Observer], cancel: Cancellation) -> Run:
    """Go on where a gate opened while other stages were under way; then bring what was deployed further."""
    delivered = run.conclusion is not None and any(stage.products.release for stage in run.stages)
    if run.state is not RunState.PARKED and not delivered:
        return run  # most runs deliver nothing: they do not pay for importing how that is done
    from pipeline.operations.onward import bring_on_after, can_go_on

    seen: set[tuple[str, ...]] = set()
    while run.state is RunState.PARKED and not cancel.cancelled:
        parked = tuple(sorted(stage.name for stage in run.stages if stage.parked))
        if parked in seen or not can_go_on(app, run):
            break
        seen.add(parked)
        again = ResumeRequest(repository=run.repository, reference=run.id, evicted=True)
        run = resume(app, again, observers, cancel=cancel)
    if run.conclusion is not None and any(stage.products.release for stage in run.stages):
        bring_on_after(app, run, progress=lambda _: None, cancel=cancel)
    return run


def _made(run: Run) -> Made:
    if run.state is RunState.PARKED:
        waits = ", ".join(f"{stage.name}: {stage.parked}" for stage in run.stages if stage.parked)
        return Made(state=WorkState.PARKED, detail=waits or "parked")
    return Made(state=WorkState.DONE, detail=run.conclusion.value if run.conclusion else "done")


def _cancelled(app: Application, item: WorkItem, known: Run | None) -> Made:
    """End what nobody runs: it was cancelled while it waited, or while its worker was dead."""
    why = f"cancelled by {item.cancel}"
    if known is not None and known.state is not RunState.DONE:
        end_run(app, known, cancelled(why))
    return Made(state=WorkState.DONE, detail=why)


def _to_repeat(item: WorkItem, run: Run) -> bool:
    """Whether a finished run is to be repeated, and was not by whoever had the item before."""
    return bool(item.request.retry) and (run.finished is None or run.finished < item.created)


def _known(app: Application, run: str) -> Run | None:
    """The run of that id, also one of which only this machine's folder knows: its first process was killed early."""
    try:
        return app.records.find_run(run)
    except NotFoundError:
        pass
    file = read_run_file(app.settings.home / "runs" / run)
    if file is None:
        return None
    return replace(file.run, number=app.records.create_run(replace(file.run, stages=()), file.plan))


def _evict(app: Application, run: str) -> None:
    """End the process on this machine that had the item before us and has not noticed yet; its containers stay."""
    runner = claimant(app.settings.home / "runs" / run)
    if runner is None or life_of(runner) is not Life.ALIVE or runner == this_process():
        return
    with suppress(OSError):
        descriptor = os.pidfd_open(runner.pid)
        try:
            if life_of(runner) is Life.ALIVE:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                import select

                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                poll.poll(10_000)
        finally:
            os.close(descriptor)


def _allowance(app: Application, item: WorkItem, run: Run) -> Allowance:
    who, _, when = item.request.allowed.partition(", ")
    return allowance_of(recorded_plan(app, run), who=who, when=when)


def _record_failure(app: Application, item: WorkItem, repository: Repository, request: StartRequest) -> None:
    """A run that could not be planned ends as errored, without stages; the item's detail has the reason."""
    with suppress(EcluseError):
        source = describe(request.repository, request.revision)
        event = request.job.event if request.job else item.request.event
        now = app.clock.now()
        plan = Plan(
            name=repository.name.partition("/")[2],
            pipeline_digest="",
            event=event,
            source=source,
            variables={},
            stages=(),
            environments=(),
        )
        run = Run(
            id=item.id,
            number=0,
            repository=source.origin,
            pipeline=plan.name,
            commit=source.commit.sha,
            message=source.commit.message.partition("\n")[0],
            author=source.commit.author,
            branch=event.branch,
            tag=event.tag,
            event=event.kind,
            actor=event.actor,
            dirty=False,
            plan_digest=plan.digest,
            state=RunState.DONE,
            conclusion=Conclusion.ERRORED,
            created=now,
            finished=now,
            executor=app.settings.executor,
            trust=event.trust,
            proposal=event.proposal,
            host=event.host,
            url=event.url,
        )
        app.records.create_run(run, plan)


def _told(error: EcluseError) -> str:
    """The reason in a few lines: of a pipeline file its first problems, with their places."""
    problems = getattr(error, "diagnostics", ())
    lines = [f"{item.position.file}:{item.position.line}:{item.position.column}: {item.message}" for item in problems]
    return "\n".join((error.message, *lines[:5]))
