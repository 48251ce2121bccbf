"""The part of the records that is the ledger, and what people decided."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.model.value import Value

if TYPE_CHECKING:  # for its 174 ms, not for a circle
    import sqlalchemy as sa

    from pipeline.model.decision import Approval, Block, Lease
    from pipeline.model.ledger import Link
    from pipeline.model.release import LedgerEntry, Promotion
    from pipeline.records.database import Database


class SqlDecisions:
    """Implements `pipeline.ports.decisions.Decisions` for whoever has a database and a clock."""

    def _database(self) -> Database:
        raise NotImplementedError

    def _time(self) -> datetime:
        """For entries of the ledger."""
        raise NotImplementedError

    def _lease_time(self, connection: sa.Connection) -> datetime:
        """For leases: one clock for all who ask this database."""
        raise NotImplementedError

    def find_promotion(self, reference: str) -> Promotion:
        """By id, or unique prefix or ending of an id (6 or more)."""
        database = self._database()
        from pipeline.records import decision_records

        with database.reading() as connection:
            return decision_records.find_promotion(connection, reference)

    def save_approval(self, approval: Approval, *, actor: str) -> LedgerEntry:
        """Keep an answer; on the disk when this returns."""
        database = self._database()
        from pipeline.records import decision_records

        with database.durable() as connection:
            return decision_records.save_approval(connection, approval, actor=actor, now=self._time())

    def approvals(self, *, promotion: str) -> Sequence[Approval]:
        """Answers to a promotion, oldest first."""
        database = self._database()
        from pipeline.records import decision_records

        with database.reading() as connection:
            return decision_records.approvals(connection, promotion)

    def save_block(self, block: Block, *, actor: str, action: str) -> LedgerEntry:
        """Keep a hold, bar or freeze; on the disk when this returns."""
        database = self._database()
        from pipeline.records import decision_records

        with database.durable() as connection:
            return decision_records.save_block(connection, block, actor=actor, action=action, now=self._time())

    def blocks(self, *, repository: str, environment: str = "", open_at: datetime | None = None) -> Sequence[Block]:
        """Newest first."""
        database = self._database()
        from pipeline.records import decision_records

        with database.reading() as connection:
            return decision_records.blocks(connection, repository, environment, open_at)

    def note(self, *, actor: str, action: str, subject: str, reason: str, data: Mapping[str, Value]) -> LedgerEntry:
        """A line of the ledger; on the disk when this returns."""
        database = self._database()
        from pipeline.records import ledger_records

        with database.durable() as connection:
            return ledger_records.note(
                connection,
                now=self._time(),
                actor=actor,
                action=action,
                subject=subject,
                reason=reason,
                data=data,
            )

    def ledger(self, *, after: int = 0, limit: int = 1000) -> Sequence[LedgerEntry]:
        """Entries in order, behind seq `after`."""
        database = self._database()
        from pipeline.records import ledger_records

        with database.reading() as connection:
            return ledger_records.ledger(connection, after, limit)

    def links(self, *, after: int = 0, limit: int = 5000) -> Sequence[Link]:
        """The chain in order, behind seq `after`."""
        database = self._database()
        from pipeline.records import ledger_records

        with database.reading() as connection:
            return ledger_records.links(connection, after, limit)

    def entries(
        self,
        *,
        actions: Collection[str] = (),
        subjects: Collection[str] = (),
        actor: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        newest: int = 100,
    ) -> Sequence[LedgerEntry]:
        """The newest that match, oldest first."""
        database = self._database()
        from pipeline.records import ledger_records
        from pipeline.records.ledger_queries import Chosen

        chosen = Chosen(actions=actions, actor=actor, since=since, until=until)
        with database.reading() as connection:
            return ledger_records.entries(connection, chosen, subjects, newest)

    def head(self) -> LedgerEntry | None:
        """The last entry."""
        database = self._database()
        from pipeline.records import ledger_records

        with database.reading() as connection:
            return ledger_records.last(connection)

    def rebuild(self, *, progress: Callable[[int], None] | None = None) -> Mapping[str, int]:
        """Derived tables from the ledger."""
        database = self._database()
        from pipeline.records import ledger_records

        with database.durable() as connection:
            return ledger_records.rebuild(connection, progress)

    def take_lease(self, name: str, *, holder: str, seconds: float) -> Lease | None:
        """The lease, or None; a token is on the disk before anybody works under it, so that none is given twice."""
        database = self._database()
        from pipeline.records import lease_records

        with database.durable() as connection:
            now = self._lease_time(connection)
            return lease_records.take(connection, name, holder=holder, now=now, seconds=seconds)

    def renew_lease(self, lease: Lease, *, seconds: float) -> Lease:
        """A new end."""
        database = self._database()
        from pipeline.records import lease_records

        with database.writing() as connection:
            return lease_records.renew(connection, lease, now=self._lease_time(connection), seconds=seconds)

    def release_lease(self, lease: Lease) -> None:
        """Give it up."""
        database = self._database()
        from pipeline.records import lease_records

        with database.writing() as connection:
            lease_records.release(connection, lease)

    def lease(self, name: str) -> Lease | None:
        """Who holds it."""
        database = self._database()
        from pipeline.records import lease_records

        with database.reading() as connection:
            return lease_records.find(connection, name)
