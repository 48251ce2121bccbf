"""What the server has to tell others: kept until it was heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline.model.value import Value


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
