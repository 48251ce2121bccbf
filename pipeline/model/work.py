"""A run that somebody or something has asked the server for, until a worker has brought it to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipeline.model.release import PromotionKind
from pipeline.model.source import Event


class WorkState(StrEnum):
    """`queued` → `taken` → `done`; a taken item whose worker died is `queued` again, one that parked is `parked`."""

    QUEUED = "queued"
    TAKEN = "taken"
    PARKED = "parked"
    DONE = "done"


class WorkKind(StrEnum):
    """Deployments go before builds, builds before what the clock asked for."""

    DELIVERY = "delivery"
    BUILD = "build"
    SCHEDULED = "scheduled"

    @property
    def priority(self) -> int:
        """0 goes first."""
        return tuple(WorkKind).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotionWish:
    """A promotion that a person asks for; `kind` is one of `pipeline.model.release.PromotionKind`.

    `promotion` names one that is to be taken up; with "" a new one is begun.
    """

    kind: PromotionKind
    environment: str
    release: str = ""
    """By id; of a rollback "" = what was verified there before."""
    promotion: str = ""
    reason: str = ""
    override: str = ""
    """Why its gates are opened by force; "" = they are not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkRequest:
    """What is to run: a commit of a repository and the event that asks for it; or a run that is to go on; or a
    promotion that is to be carried out."""

    repository: str
    """Name of the repository."""
    sha: str
    """The commit; a branch's name where the worker is to take its tip."""
    event: Event
    variables: Mapping[str, str] = field(default_factory=dict)
    started: tuple[str, ...] = ()
    """Manual stages that a person has started, of a run that is taken up again."""
    retry: str = ""
    """Id of the run whose failures are repeated; "" otherwise."""
    allowed: str = ""
    """Who allowed this one untrusted run secrets and effects, and when; "" = nobody."""
    by: str = ""
    """The person who asked; "" for a webhook or the clock."""
    wish: PromotionWish | None = None
    """The promotion; then there is no run, and `sha` and `event` say nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkItem:
    """A place in the queue. Its id is the id of its run: so whoever takes it over cannot make a second one."""

    id: str
    """ULID in lower case."""
    key: str
    """What asked for it (`hook:<delivery>`, `schedule:<repository>:<cron>:<time>`, `manual:<id>`): unique, so that
    the same cause never leads to two runs."""
    kind: WorkKind
    request: WorkRequest
    created: datetime
    labels: tuple[str, ...] = ()
    """What a worker must have to take it (`runs_on`)."""
    state: WorkState = WorkState.QUEUED
    worker: str = ""
    """Who has it."""
    token: int = 0
    """Fencing: grows with every taking; a worker whose token is not the newest can write nothing."""
    expires: datetime | None = None
    """Until when the worker's word is good."""
    cancel: str = ""
    """Who wants it stopped, and why; "" = nobody."""
    detail: str = ""
    """What became of it, or why it still waits, for people."""
    finished: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkEnd:
    """That an item is needless now, and what made it so."""

    item: str
    by: str
    begun: bool
    """Whether it is to end also where it has begun."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkLimits:
    """So much may be under way at a time, over all workers; 0 = as much as there are slots."""

    repository: int = 0
    """Of any one repository."""
    deliveries: int = 0
    builds: int = 0
    scheduled: int = 0

    def of(self, kind: WorkKind) -> int:
        """The limit of a kind."""
        limits = {
            WorkKind.DELIVERY: self.deliveries,
            WorkKind.BUILD: self.builds,
            WorkKind.SCHEDULED: self.scheduled,
        }
        return limits[kind]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fence:
    """By what a process may write of a run: the item that it holds, with the token that it was given."""

    run: str
    item: str
    token: int


class WorkerState(StrEnum):
    """`draining` finishes what it has and takes nothing more."""

    READY = "ready"
    DRAINING = "draining"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A process that takes items from the queue."""

    name: str
    """Host name and a part that differs between its processes."""
    host: str
    version: str
    labels: tuple[str, ...]
    slots: int
    """Runs at a time."""
    state: WorkerState
    started: datetime
    seen: datetime
    """When it last said that it lives."""
