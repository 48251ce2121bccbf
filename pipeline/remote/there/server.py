"""The ledger, the queue and the workers, as a server has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import NotFoundError
from pipeline.remote.there.asked import AskedThere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.release import LedgerEntry
    from pipeline.model.work import Worker, WorkItem
    from pipeline.operations.ledger_head import Head
    from pipeline.operations.ledger_shown import Wanted


class ServerThere(AskedThere):
    """Looking at what all repositories share."""

    def entry(self, seq: int) -> LedgerEntry:
        """One of the ledger."""
        from pipeline.model.release import LedgerEntry

        return self.connection.noun(LedgerEntry, f"ledger/{seq}")

    def entries(self, wanted: Wanted) -> Sequence[LedgerEntry]:
        """The newest that match, oldest first."""
        from pipeline.model.release import LedgerEntry

        query = {
            "action": list(wanted.actions) or None,
            "subject": wanted.subject or None,
            "actor": wanted.actor or None,
            "since": wanted.since.isoformat() if wanted.since else None,
            "until": wanted.until.isoformat() if wanted.until else None,
            "limit": wanted.newest,
        }
        return self.connection.nouns(LedgerEntry, "ledger/newest", query)

    def head(self) -> Head | None:
        """The last entry, signed where the server has a key; None where the ledger is empty."""
        from pipeline.operations.ledger_head import Head

        try:
            return self.connection.noun(Head, "ledger/head")
        except NotFoundError:
            return None

    def export(self, out: BinaryIO, *, progress: Callable[[int], None]) -> int:
        """Write every entry as a line, and the head; how many entries."""
        written = -1
        for line in self.connection.lines("ledger/export"):
            written += out.write(line + b"\n") > 0
            progress(max(written, 0))
        return max(written, 0)

    def queue(self, *, repository: str, done: bool, limit: int) -> Sequence[WorkItem]:
        """What waits, in the order of its turn."""
        from pipeline.model.work import WorkItem, WorkState

        states = [state.value for state in WorkState] if done else None
        query = {"state": states, "repository": repository or None, "limit": limit}
        return self.connection.nouns(WorkItem, "queue", query)

    def workers(self) -> Sequence[Worker]:
        """Who makes it."""
        from pipeline.model.work import Worker

        return self.connection.nouns(Worker, "workers")
