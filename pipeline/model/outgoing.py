"""What the server has to tell others: kept until it was heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.model.value import Value

STATUS = "status"
COMMENT = "comment"
"""Kinds of messages."""


class StatusState(StrEnum):
    """How a run stands, in one vocabulary for all forges."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ERRORED = "errored"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitStatus:
    """The body of a `status`: what stands beside a commit in the forge."""

    sha: str
    context: str
    """Which of a commit's statuses it is; a later one of the same context replaces it."""
    state: StatusState
    description: str
    """One line, for people."""
    url: str
    """The run's page."""
    ref: str = ""
    """The branch or tag that was run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposalComment:
    """The body of a `comment`: what stands below a pull request, once."""

    proposal: str
    text: str
    """Markdown, in which all that others wrote is escaped."""
    mark: str
    """An HTML comment at the text's end, by which it is found again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboxItem:
    """A message to a forge (a status, a comment), tried until it was taken or given up."""

    id: str
    """ULID in lower case."""
    repository: str
    """Name of the repository."""
    kind: str
    """`status`, `comment`."""
    key: str
    """What it replaces: of several undelivered ones with the same key only the newest is sent."""
    body: Mapping[str, Value]
    created: datetime
    due: datetime
    """When it is tried next."""
    tries: int = 0
    sent: datetime | None = None
    given_up: datetime | None = None
    error: str = ""
    """What the last try met, for people."""
