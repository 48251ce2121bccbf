"""The ledger, the queue and the workers, as this machine's database has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from pipeline.remote.here.asked import AskedHere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.release import LedgerEntry
    from pipeline.model.work import Worker, WorkItem
    from pipeline.operations.ledger_head import Head
    from pipeline.operations.ledger_shown import Wanted


class ServerHere(AskedHere):
    """Looking at what all repositories share."""

    def entry(self, seq: int) -> LedgerEntry:
        """One of the ledger."""
        from pipeline.operations.ledger_shown import entry_of

        return entry_of(self.app.records, seq)

    def entries(self, wanted: Wanted) -> Sequence[LedgerEntry]:
        """The newest that match, oldest first."""
        from pipeline.operations.ledger_shown import shown

        return shown(self.app.records, wanted)

    def head(self) -> Head | None:
        """The last entry, signed where there is a key."""
        from pipeline.operations.ledger_head import current_head

        return current_head(self.app)

    def export(self, out: BinaryIO, *, progress: Callable[[int], None]) -> int:
        """Write every entry as a line, and the head; how many entries."""
        from pipeline.operations.ledger_export import write_export

        return write_export(self.app.records, self.head(), out, progress=progress)

    def queue(self, *, repository: str, done: bool, limit: int) -> Sequence[WorkItem]:
        """What waits, in the order of its turn."""
        from pipeline.model.work import WorkState

        states = tuple(WorkState) if done else ()
        return self.app.queue.items(states=states, repository=repository, limit=limit)

    def workers(self) -> Sequence[Worker]:
        """Who makes it."""
        return self.app.queue.workers(now=self.app.clock.now())
