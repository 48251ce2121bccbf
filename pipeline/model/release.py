"""Releases, promotions and ledger entries: what can be promoted, each attempt to, and what is never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.model.status import PromotionState
from pipeline.model.value import Value, digest_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A set of image digests at a commit, sealed at the first deploy; `images` maps stage name to `repo@sha256:…`.

    `id` is content-addressed: two runs that pushed the same bytes of the same commit made the same release.
    """

    repository: str
    commit: str
    images: Mapping[str, str]
    pipeline_digest: str
    name: str
    """For people, e.g. `41-4f1c0de`; not part of the id."""
    run: str
    dirty: bool
    created: datetime

    @property
    def id(self) -> str:
        """`sha256:…` over repository, commit, images and pipeline digest."""
        return digest_of(
            {
                "repository": self.repository,
                "commit": self.commit,
                "images": dict(self.images),
                "pipeline": self.pipeline_digest,
            }
        )


class PromotionKind(StrEnum):
    """Forward, back, or putting back what an environment should have."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RESTORE = "restore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One answer of a check: what was asked, what was seen, against what, when (UTC), in how many seconds.

    Where a number was asked for: the `query` that gave it, the `value`, and the old version's as `baseline`; `wanted`
    is the threshold.
    """

    check: str
    passed: bool
    seen: str
    wanted: str
    time: datetime
    seconds: float = 0.0
    verdict: str = ""
    """One of the four answers (`model.check.Verdict`); "" in what was kept before there were four."""
    query: str = ""
    value: float | None = None
    baseline: float | None = None


def conclusions(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The last measurement of each check: it is what the check came to."""
    return tuple({item.check: item for item in measurements}.values())


def says_no(measurements: Sequence[Measurement]) -> bool:
    """Whether a check found something wrong with the version itself: what could not be asked, or had no clear answer,
    is no word about it."""
    return any(not item.passed and item.verdict in ("", "fail") for item in measurements)


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """One attempt to bring a release into an environment."""

    id: str
    """ULID in lower case."""
    release: str
    """Release id."""
    environment: str
    kind: PromotionKind
    state: PromotionState
    requested_by: str
    reason: str
    created: datetime
    replaces: str = ""
    """Release id that was live before, or ""."""
    run: str = ""
    finished: datetime | None = None
    detail: str = ""
    """One line: how it ended and why."""
    plan: str = ""
    """Digest of what was planned (`PromotionPlan`); approvals are for exactly that."""
    policy: str = ""
    """Revision of the policy that the last verdict was made by."""
    configuration: str = ""
    """Version (digest) of the configuration that it brings along."""
    override: str = ""
    """Why the gates were opened by force; "" where they were not."""
    gap: float | None = None
    """Seconds in which the published port answered nobody, where that was measured."""
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotionPlan:
    """What a promotion would change. Its digest is what approvals are for: tomorrow's new finding does not change it,
    another release, another configuration, another policy or another strategy does."""

    release: str
    replaces: str
    environment: str
    kind: PromotionKind
    configuration: str
    """Digest of the configuration and the names of the secrets."""
    policy: str
    strategy: str
    """Canonical spelling; "" for the target's own."""

    @property
    def digest(self) -> str:
        """`sha256:…` over all fields."""
        return digest_of(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """One line of the append-only history. `hash` covers everything else, `previous` included."""

    seq: int
    time: datetime
    actor: str
    action: str
    subject: str
    reason: str
    data: Mapping[str, Value]
    previous: str
    hash: str
