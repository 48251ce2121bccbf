"""Messages to forges, kept until they were heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.outgoing import OutboxItem
    from pipeline.model.work import WorkItem


class Outbox(Protocol):
    """Safe for several threads and processes; every method is one transaction.

    Errors that may leave: RecordsError, DiskFullError.
    """

    def post(self, item: OutboxItem) -> None:
        """Keep it; an older one of its key that was not sent is replaced."""

    def due(self, *, now: datetime, limit: int = 50) -> Sequence[OutboxItem]:
        """Those to try now, oldest first."""

    def tried(self, item: OutboxItem) -> None:
        """Note how a try went (`sent`, or `error` with the next `due`, or `given_up`)."""

    def untold(self, *, limit: int = 200) -> Sequence[WorkItem]:
        """Runs that were asked for and have moved (queued, taken, parked, done) since their forge was last told;
        oldest first."""

    def note_told(self, item: WorkItem) -> None:
        """What is to be told of the item as it stands here is in the outbox, or nothing is."""

    def forget(self, *, before: datetime) -> int:
        """Remove messages that were sent or given up before then; how many went."""

    def messages(self, *, repository: str = "", limit: int = 50, before: str = "") -> Sequence[OutboxItem]:
        """Newest first, sent ones too; with `before` only those of a smaller id, for the next page."""
