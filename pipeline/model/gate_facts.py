"""What has to be known to judge a promotion: gathered beforehand, so that the judgement itself asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.model.decision import Approval, Block
from pipeline.model.finding import FindingSeverity
from pipeline.model.gate import Override
from pipeline.model.policy import Policy
from pipeline.model.release import PromotionKind
from pipeline.model.status import Conclusion


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who wrote a commit that the release brings and the environment does not have yet."""

    address: str
    person: str
    """Of the policy; "" where the address is nobody's."""
    commit: str = ""
    """One of theirs, for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageEvidence:
    """What one stage of the release's run has to show. `conclusion` is None while it is not done."""

    stage: str
    kind: str
    conclusion: Conclusion | None
    tests: int | None = None
    """How many tests ran (skipped ones not counted); None where it has no report of tests."""
    tests_failed: int = 0
    findings: Mapping[FindingSeverity, int] = field(default_factory=dict)
    """Open ones: what a waiver covered on the day of the scan is not among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEvidence:
    """The run that made the release, as far as it got."""

    run: str
    number: int
    done: bool
    """Nothing of it is left to do but what waits for this very promotion."""
    conclusion: Conclusion | None
    """Its conclusion; where it is done but for this promotion, what it would be now."""
    stages: tuple[StageEvidence, ...] = ()
    unfinished: tuple[str, ...] = ()
    """Stages that are still to end and do not wait for this promotion."""
    provenance: frozenset[str] = frozenset()
    """Pinned images that have a provenance attached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveInterval:
    """A time for which the release was live and verified in an environment; `end` is None while it is."""

    environment: str
    start: datetime
    end: datetime | None = None
    rolled_back: bool = False
    """Whether it ended with a rollback away from it (not with a newer release, nor with a removal)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckAnswer:
    """What the command or the server of a check gate answered. `error`: it could not be asked."""

    passed: bool
    detail: str
    time: datetime
    error: bool = False
    revision: str = ""
    """Of the policy whose script was run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveService:
    """What the ledger says is live and verified of another service."""

    service: str
    environment: str
    release: str
    """The release's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateFacts:
    """All that `delivery.gates.evaluate` looks at, apart from the release, the environment and the time.

    `intervals` are those of this release in all environments of its repository, oldest first.
    """

    policy: Policy = field(default_factory=Policy)
    kind: PromotionKind = PromotionKind.PROMOTE
    plan: str = ""
    """Digest of the promotion's plan: only approvals of exactly this one count."""
    requester: str = ""
    """A person of the policy where that is known, else the name of whoever asked."""
    automatic: bool = False
    """Nobody asked: a run, or a deployment to what comes before, brings it."""
    approvals: tuple[Approval, ...] = ()
    """All answers to the promotion, for whatever plan."""
    authors: tuple[Author, ...] | None = ()
    """Of the commits between what is live and the release; None where the commits are not here."""
    evidence: RunEvidence | None = None
    """None where the run is not recorded here."""
    intervals: tuple[LiveInterval, ...] = ()
    blocks: tuple[Block, ...] = ()
    """Holds, bars and freezes of the repository; those that do not concern this promotion do no harm."""
    checks: Mapping[str, CheckAnswer] = field(default_factory=dict)
    """Gate name → its answer, for gates with a command or an HTTP rule."""
    services: tuple[LiveService, ...] = ()
    ledger: str = ""
    """The database that this promotion would be written to, without credentials."""
    override: Override | None = None
    """Somebody wants the gates opened by force."""
