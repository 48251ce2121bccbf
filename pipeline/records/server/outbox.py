"""Messages to forges, kept until they were heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa

from pipeline.model.outgoing import OutboxItem
from pipeline.model.work import WorkItem
from pipeline.records import server_tables as t
from pipeline.records.database import Database
from pipeline.records.rows import noun, plain
from pipeline.records.server.forgetting import forget
from pipeline.records.server.queue_rows import item_of

_WAITS = (t.outbox.c.sent.is_(None), t.outbox.c.given_up.is_(None))


class SqlOutbox:
    """Implements `pipeline.ports.outbox.Outbox`."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database

    def post(self, item: OutboxItem) -> None:
        """Keep it in place of an older one of its key."""
        with self._database().writing() as connection:
            older = (t.outbox.c.repository == item.repository, t.outbox.c.key == item.key, *_WAITS)
            connection.execute(t.outbox.delete().where(*older))
            connection.execute(t.outbox.insert().values(**plain(item)))

    def due(self, *, now: datetime, limit: int = 50) -> Sequence[OutboxItem]:
        """Oldest first."""
        wanted = sa.select(t.outbox).where(*_WAITS, t.outbox.c.due <= now).order_by(t.outbox.c.due, t.outbox.c.id)
        with self._database().reading() as connection:
            return [noun(OutboxItem, row) for row in connection.execute(wanted.limit(limit))]

    def tried(self, item: OutboxItem) -> None:
        """Note how a try went."""
        values = plain(item)
        with self._database().writing() as connection:
            connection.execute(t.outbox.update().where(t.outbox.c.id == item.id).values(**values))

    def forget(self, *, before: datetime) -> int:
        """Remove what was heard, or will not be."""
        over = sa.or_(t.outbox.c.sent < before, t.outbox.c.given_up < before)
        return forget(self._database(), t.outbox, t.outbox.c.id, over)

    def untold(self, *, limit: int = 200) -> Sequence[WorkItem]:
        """Oldest first."""
        wanted = sa.select(t.work).where(t.work.c.told != t.work.c.state).order_by(t.work.c.id).limit(limit)
        with self._database().reading() as connection:
            return [item_of(row) for row in connection.execute(wanted)]

    def note_told(self, item: WorkItem) -> None:
        """By its state."""
        with self._database().writing() as connection:
            connection.execute(t.work.update().where(t.work.c.id == item.id).values(told=item.state.value))

    def messages(self, *, repository: str = "", limit: int = 50, before: str = "") -> Sequence[OutboxItem]:
        """Newest first."""
        wanted = sa.select(t.outbox)
        if repository:
            wanted = wanted.where(t.outbox.c.repository == repository)
        if before:
            wanted = wanted.where(t.outbox.c.id < before)
        with self._database().reading() as connection:
            rows = connection.execute(wanted.order_by(t.outbox.c.id.desc()).limit(limit))
            return [noun(OutboxItem, row) for row in rows]
