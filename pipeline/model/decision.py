"""What people decide about promotions and environments: approvals, rejections, holds, bars and freezes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Answer(StrEnum):
    """What somebody said to a promotion."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """One person's answer to one promotion as it was planned then."""

    id: str
    """ULID in lower case."""
    promotion: str
    plan: str
    """The plan's digest: a changed plan is not what was approved."""
    person: str
    """A name of the policy; of somebody who signed, the owner of the key."""
    answer: Answer
    reason: str
    time: datetime
    proof: str = ""
    """The DSSE envelope that was signed (JSON), or "" for the user of this machine."""


class BlockKind(StrEnum):
    """A hold keeps one environment as it is, a freeze all of them; a bar keeps one release out of one."""

    HOLD = "hold"
    BAR = "bar"
    FREEZE = "freeze"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Something that keeps promotions out until somebody lifts it or its time is over."""

    id: str
    """ULID in lower case."""
    kind: BlockKind
    repository: str
    environment: str
    """"" = all environments (a freeze)."""
    owner: str
    reason: str
    created: datetime
    until: datetime | None = None
    release: str = ""
    """The release that is barred; "" for the other kinds."""
    lifted: datetime | None = None
    lifted_by: str = ""

    def blocks(self, release: str, *, environment: str, now: datetime) -> bool:
        """Whether it keeps this release out of this environment now."""
        if self.lifted is not None or (self.until is not None and now >= self.until):
            return False
        if self.environment and self.environment != environment:
            return False
        return not self.release or self.release == release


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A right to change something for a while. `token` grows with each new holder: what writes under an older one is
    refused."""

    name: str
    holder: str
    token: int
    expires: datetime
