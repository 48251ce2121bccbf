"""What comes in from a forge: the delivery as it arrived, and the event that was read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class HookState(StrEnum):
    """Of a delivery: kept and not yet looked at, decided, or long past."""

    RECEIVED = "received"
    DECIDED = "decided"
    FORGOTTEN = "forgotten"
    """Only its key is left: whoever captured it cannot send it as a new one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HookDelivery:
    """A webhook as it arrived, after its signature held; on the disk before the forge gets its answer."""

    id: str
    """ULID in lower case."""
    repository: str
    """Name of the repository whose hook it is."""
    key: str
    """What the forge calls this delivery, else the digest of its body: one that comes twice is kept once."""
    event: str
    """The forge's own name of the kind (`push`, `Merge Request Hook`, `pullrequest:created`)."""
    headers: Mapping[str, str]
    """Those that matter for reading it, in lower case; never the signature or a token."""
    body: bytes
    received: datetime
    state: HookState = HookState.RECEIVED
    decision: str = ""
    """What came of it, for people: `run 01h…`, `ignored: a push to a branch that no trigger names`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryNote:
    """What lists show of a delivery: all but its headers and its body, which may be large."""

    id: str
    repository: str
    key: str
    event: str
    received: datetime
    state: HookState
    decision: str
    bytes: int
    """Of its body."""


class ForgeEventKind(StrEnum):
    """What happened, in one vocabulary for all forges."""

    PUSH = "push"
    TAG = "tag"
    PULL_REQUEST = "pull_request"
    CLOSED = "closed"
    """A pull request was closed or merged: its review environment ends."""
    DELETED = "deleted"
    """A branch or tag is gone."""
    PING = "ping"
    OTHER = "other"
    """Known to the forge and nothing to us; answered 204."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgeEvent:
    """A webhook, read. Fields that its kind does not have are "".

    Everything here was written by strangers: branch names, titles and people's names are never markup, paths or
    arguments.
    """

    kind: ForgeEventKind
    sha: str = ""
    """The commit to run: of a pull request its head."""
    branch: str = ""
    tag: str = ""
    before: str = ""
    """The branch's tip before a push."""
    actor: str = ""
    """Who did it, by the forge's login name."""
    proposal: str = ""
    """Number of the pull (or merge) request."""
    target: str = ""
    """The branch that it is to be merged into."""
    foreign: bool = False
    """Whether the change comes from a fork (or its origin is not told)."""
    clone_url: str = ""
    """Of the repository that the event is about, as the forge writes it."""
    title: str = ""
    url: str = ""
    """The forge's page about it."""
    why: str = ""
    """For `other`: what it was, for people."""
    details: Mapping[str, str] = field(default_factory=dict)
