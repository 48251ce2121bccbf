"""A run and what it left: stage runs, attempts, artifacts, images and the products that later stages use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.model.trust import Trust

if TYPE_CHECKING:
    from pipeline.model.finding import Finding
    from pipeline.model.outcome import Outcome
    from pipeline.model.release import Measurement
    from pipeline.model.report import CoverageReport, TestReport


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A file that outlives its stage: `path` as it was in the workspace, content by digest in the storage."""

    name: str
    path: str
    digest: str
    size: int
    kind: str = "artifact"
    """artifact | report | sbom | sarif | log"""
    keep: float | None = None
    """Seconds that it is kept; None = as long as its run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltImage:
    """An image on the engine: `id` is its configuration digest; `reference` is a local name that keeps it alive."""

    id: str
    reference: str
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PushedImage:
    """An image in a registry: `digest` was read back from it. `pinned` is `repository@digest`."""

    repository: str
    digest: str
    tags: tuple[str, ...]

    @property
    def pinned(self) -> str:
        """The one reference that cannot move."""
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Products:
    """What a stage attempt made, for later stages and for the records."""

    artifacts: tuple[Artifact, ...] = ()
    tests: TestReport | None = None
    coverage: CoverageReport | None = None
    findings: tuple[Finding, ...] = ()
    image: BuiltImage | None = None
    pushed: PushedImage | None = None
    release: str = ""
    """Release id, of a deploy."""
    promotion: str = ""
    """Promotion id, of a deploy."""
    measurements: tuple[Measurement, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try at a stage. `log` is the digest of its log in the storage, "" while it runs."""

    number: int
    started: datetime
    finished: datetime | None = None
    outcome: Outcome | None = None
    log: str = ""
    log_lines: int = 0
    service_logs: Mapping[str, str] = field(default_factory=dict)
    """Service name to the digest of its log."""
    layer: str = ""
    """The layer of the workspace that it wrote; "" when it wrote none."""
    products: Products = field(default_factory=Products)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRun:
    """A stage within a run."""

    name: str
    kind: str
    state: StageState = StageState.WAITING
    outcome: Outcome | None = None
    started: datetime | None = None
    finished: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    group: str = ""
    """The stage as written in the file, of a cell of a matrix or a part of a split; "" where that is `name`."""
    cell: Mapping[str, str] = field(default_factory=dict)
    reused: str = ""
    """Id of the run whose result served; "" when it ran itself."""
    parked: str = ""
    """What it waits for while the run is parked, for people; "" when it does not."""

    @property
    def conclusion(self) -> Conclusion | None:
        """How it ended, or None."""
        return self.outcome.conclusion if self.outcome else None

    @property
    def products(self) -> Products:
        """What the last attempt made."""
        return self.attempts[-1].products if self.attempts else Products()

    @property
    def flaky(self) -> bool:
        """Whether it succeeded after an attempt that failed."""
        earlier = (attempt.outcome for attempt in self.attempts[:-1])
        failed = any(outcome is not None and outcome.conclusion.went_wrong for outcome in earlier)
        return failed and self.conclusion is Conclusion.SUCCEEDED

    @property
    def seconds(self) -> float | None:
        """From its start to its end; None while one of them is missing."""
        if self.started is None or self.finished is None:
            return None
        return (self.finished - self.started).total_seconds()


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner:
    """The process that owns a run, told apart from a later one with the same pid by its start time and boot."""

    host: str
    boot: str
    pid: int
    started_ticks: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One execution of a plan. `id` is a ULID in lower case; `number` counts from 1 within its repository."""

    id: str
    number: int
    repository: str
    """Origin URL, or the path of the working tree where there is no origin."""
    pipeline: str
    commit: str
    message: str
    author: str
    branch: str
    tag: str
    event: str
    actor: str
    dirty: bool
    plan_digest: str
    state: RunState
    created: datetime
    executor: str = "docker"
    conclusion: Conclusion | None = None
    finished: datetime | None = None
    stages: tuple[StageRun, ...] = ()
    runner: Runner | None = None
    trust: Trust = Trust.BRANCH
    proposal: str = ""
    """Number of the pull request that it is for."""
    host: str = ""
    """The CI host in whose job it ran."""
    url: str = ""
    """The page of the host's job."""

    def stage(self, name: str) -> StageRun:
        """The stage run of that name; KeyError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)
