"""What comes of a delivery: the work that it asks for, or why it asks for none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.errors import DefinitionError, NotFoundError, SourceError, SourceUnreachableError, UsageError
from pipeline.model.definition import ConcurrencyPolicy, Definition
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery
from pipeline.model.job import Job
from pipeline.model.repository import Repository
from pipeline.model.source import Event
from pipeline.model.trust import Trust
from pipeline.model.work import WorkEnd, WorkItem, WorkKind, WorkRequest, WorkState
from pipeline.operations.prepare import StartRequest, prepared
from pipeline.operations.repository_files import file_of_commit, safe_path
from pipeline.operations.serving.asking import HOST, new_item
from pipeline.operations.serving.ends import ended_reviews
from pipeline.operations.serving.labels import labels_of
from pipeline.operations.serving.mirror import Mirror
from pipeline.ports.application import Application

WAITS = "a stranger's change waits for a person: `go on` runs it without secrets and effects"
_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """`said` for people; `work` to queue; what it makes needless: `superseded` ends if it has not begun,
    `running` also while it runs."""

    said: str
    work: tuple[WorkItem, ...] = ()
    superseded: tuple[WorkItem, ...] = ()
    running: tuple[WorkItem, ...] = ()


def judge(app: Application, delivery: HookDelivery) -> Judgement:
    """Read a delivery and decide. SourceUnreachableError where the repository cannot be asked now: try again."""
    try:
        repository = app.intake.find_repository(delivery.repository)
    except NotFoundError:
        return Judgement(said="ignored: nobody looks after this repository any more")
    if not repository.active:
        return Judgement(said="ignored: the repository is switched off")
    try:
        events = app.forge(repository.forge).read(delivery)
    except UsageError as error:
        return Judgement(said=f"unreadable: {error.message}")
    found = [
        _of_event(app, repository, event, key=f"hook:{delivery.id}" + (f":{number}" if number else ""))
        for number, event in enumerate(events)
    ]
    return Judgement(
        said="; ".join(dict.fromkeys(item.said for item in found)) or "ignored: nothing happened",
        work=tuple(work for item in found for work in item.work),
        superseded=tuple(work for item in found for work in item.superseded),
        running=tuple(work for item in found for work in item.running),
    )


def _of_event(app: Application, repository: Repository, event: ForgeEvent, *, key: str) -> Judgement:
    match event.kind:
        case ForgeEventKind.PUSH | ForgeEventKind.TAG | ForgeEventKind.PULL_REQUEST:
            return _of_commit(app, repository, event, key=key)
        case ForgeEventKind.CLOSED:
            return _over(app, repository, event, f"pull request {event.proposal} is closed")
        case ForgeEventKind.DELETED if event.branch:
            return _over(app, repository, event, f"branch {event.branch} is gone")
        case ForgeEventKind.DELETED:
            return Judgement(said=f"ignored: tag {event.tag} is gone")
        case _:
            return Judgement(said=f"ignored: {event.why or event.kind.value}")


def _over(app: Application, repository: Repository, event: ForgeEvent, why: str) -> Judgement:
    """What ran for it ends, and its review environments go."""
    said = ended_reviews(app, repository, proposal=event.proposal, branch=event.branch, why=why)
    open_ones = _same_line(app, repository, _event_of(event))
    return Judgement(said="; ".join((why, *said)), superseded=open_ones, running=open_ones)


def _of_commit(app: Application, repository: Repository, found: ForgeEvent, *, key: str) -> Judgement:
    event = _event_of(found)
    mirror = Mirror(app, repository)
    try:
        mirror.bring(found.sha, proposal=found.proposal)
    except SourceUnreachableError:
        raise
    except SourceError as error:
        return Judgement(said=f"ignored: {error.message}")
    try:
        if file_of_commit(mirror.path, found.sha, safe_path(repository.file), limit=_LIMIT) is None:
            return Judgement(said=f"ignored: commit {found.sha[:12]} has no {repository.file}")
        foreign = event.trust is Trust.UNTRUSTED
        ready = prepared(
            app,
            StartRequest(
                repository=mirror.path,
                file=repository.file,
                revision=found.sha,
                job=Job(event=event, sha=found.sha, foreign=foreign),
            ),
        )
    except (DefinitionError, UsageError, SourceError):
        ready = None  # the run tells what is wrong with the file
    if ready is not None and not ready.trigger.starts:
        return Judgement(said=f"ignored: {ready.trigger.sentence}")
    request = WorkRequest(repository=repository.name, sha=found.sha, event=event)
    definition = ready.definition if ready is not None else None
    item = new_item(app, key, WorkKind.BUILD, request, labels=labels_of(definition))
    waits = event.trust is Trust.UNTRUSTED and not repository.forks
    if waits:
        item = replace(item, state=WorkState.PARKED, detail=WAITS)
    older = _same_line(app, repository, event)
    trust = ready.event.trust if ready is not None else event.trust
    return Judgement(
        said=f"run {item.id}" + (f" waits: {WAITS}" if waits else ""),
        work=(item,),
        superseded=older if trust is not Trust.PROTECTED or _asks(definition) else (),
        running=older if _asks(definition) else (),
    )


def _asks(definition: Definition | None) -> bool:
    """Whether the file wants what is under way to give way to what is newer."""
    rule = definition.concurrency if definition is not None else None
    return rule is not None and rule.policy is ConcurrencyPolicy.CANCEL_OLDER


def _event_of(found: ForgeEvent) -> Event:
    """In the words of runs. Whose branch it is decides how far it is trusted; the rest of that the settings say."""
    proposed = bool(found.proposal)
    return Event(
        kind="pull_request" if proposed else "push",
        branch=found.branch,
        tag=found.tag,
        actor=found.actor,
        before=found.before,
        target=found.target,
        proposal=found.proposal,
        trust=Trust.UNTRUSTED if found.foreign else Trust.BRANCH,
        host=HOST,
        url=found.url if found.url.startswith(("https://", "http://")) else "",
    )


def _same_line(app: Application, repository: Repository, event: Event) -> tuple[WorkItem, ...]:
    """Open items of pushes to the same branch, or to the same pull request; a tag stands for itself."""
    if event.tag:
        return ()
    open_ones: Sequence[WorkItem] = app.queue.items(repository=repository.name, limit=10_000)
    return tuple(
        item
        for item in open_ones
        if item.key.startswith("hook:")
        and item.request.wish is None
        and (item.request.event.kind, item.request.event.proposal) == (event.kind, event.proposal)
        and (event.proposal or (item.request.event.branch == event.branch and not item.request.event.tag))
    )


def ends_of(found: Judgement) -> tuple[WorkEnd, ...]:
    """What a judgement makes needless, to be ended with it."""
    by = f"a newer push ({found.work[0].request.sha[:12]})" if found.work else "the end of its branch"
    running = {item.id for item in found.running}
    needless = {item.id for item in found.superseded} | running
    return tuple(WorkEnd(item=item, by=by, begun=item in running) for item in sorted(needless))
