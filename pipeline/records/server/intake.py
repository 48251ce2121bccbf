"""Repositories, webhooks and schedules of a server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.model.incoming import DeliveryNote, HookDelivery, HookState
from pipeline.model.repository import Repository
from pipeline.model.work import WorkEnd, WorkItem
from pipeline.records import server_tables as t
from pipeline.records.database import Database
from pipeline.records.queries import insert
from pipeline.records.rows import noun, plain
from pipeline.records.server.calls import CALLS
from pipeline.records.server.forgetting import empty, forget
from pipeline.records.server.queue_rows import end, put

_DELIVERY = tuple(t.deliveries.c)
_NOTE = tuple(t.deliveries.c[name] for name in ("id", "repository", "key", "event", "received", "state", "decision"))
_KEEP_ALL = (
    f"INSERT INTO deliveries ({', '.join(column.name for column in _DELIVERY)}) SELECT * FROM unnest("  # noqa: S608
    + ", ".join(
        f"%({column.name})b::{'bytea' if isinstance(column.type, sa.LargeBinary) else 'text'}[]" for column in _DELIVERY
    )
    + ") ON CONFLICT (repository, key) DO NOTHING RETURNING id"
)
"""One statement for any number of rows, in columns and in binary: PostgreSQL and its driver know it after the first."""


class SqlIntake:
    """Implements `pipeline.ports.intake.Intake`."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database

    def save_repository(self, repository: Repository) -> None:
        """Keep it."""
        with self._database().writing() as connection:
            other = sa.select(t.repositories.c.name).where(
                t.repositories.c.url == repository.url, t.repositories.c.name != repository.name
            )
            known = connection.execute(other).scalar()
            if known is not None:
                raise RefusedError(f"{repository.url} is repository '{known}' already", hint="change that one instead")
            values = plain(repository)
            row = insert(connection, t.repositories).values(**values)
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=[t.repositories.c.name], set_={key: row.excluded[key] for key in values}
                )
            )

    def find_repository(self, name: str) -> Repository:
        """By name."""
        with self._database().reading() as connection:
            row = connection.execute(sa.select(t.repositories).where(t.repositories.c.name == name)).first()
        if row is None:
            raise NotFoundError(
                f"the server looks after no repository '{name}'", hint="`ecluse repository list` shows them"
            )
        return noun(Repository, row)

    def repositories(self) -> Sequence[Repository]:
        """By name."""
        with self._database().reading() as connection:
            rows = connection.execute(sa.select(t.repositories).order_by(t.repositories.c.name))
            return [noun(Repository, row) for row in rows]

    def remove_repository(self, name: str) -> None:
        """Forget it."""
        with self._database().writing() as connection:
            gone = connection.execute(t.repositories.delete().where(t.repositories.c.name == name)).rowcount
        if not gone:
            raise NotFoundError(f"the server looks after no repository '{name}'", hint="nothing was removed")

    def receive(self, delivery: HookDelivery) -> bool:
        """Keep a delivery, on the disk when this returns."""
        return delivery.id in self.receive_all((delivery,))

    def receive_all(self, deliveries: Sequence[HookDelivery]) -> frozenset[str]:
        """Keep them with one flush of the disk."""
        rows = [plain(delivery) for delivery in deliveries]
        with self._database().at_once() as connection:
            if connection.dialect.name == "postgresql":
                return frozenset(
                    connection.exec_driver_sql(_KEEP_ALL, dict(_columns(rows, connection.dialect))).scalars()
                )
            row = insert(connection, t.deliveries)
            kept = row.on_conflict_do_nothing(index_elements=[t.deliveries.c.repository, t.deliveries.c.key])
            return frozenset(connection.execute(kept.returning(t.deliveries.c.id), rows).scalars())

    def undecided(self, *, limit: int = 100, without: Collection[str] = ()) -> Sequence[HookDelivery]:
        """Oldest first."""
        wanted = sa.select(t.deliveries).where(t.deliveries.c.state == HookState.RECEIVED)
        if without:
            wanted = wanted.where(t.deliveries.c.repository.not_in(sorted(without)))
        with self._database().reading() as connection:
            rows = connection.execute(wanted.order_by(t.deliveries.c.id).limit(limit))
            return [noun(HookDelivery, row) for row in rows]

    def decide(
        self, delivery: str, decision: str, *, work: Sequence[WorkItem] = (), ends: Sequence[WorkEnd] = ()
    ) -> Sequence[WorkItem]:
        """Note what came of it, once."""
        database = self._database()
        with database.durable() as connection:
            first = t.deliveries.update().where(
                t.deliveries.c.id == delivery, t.deliveries.c.state == HookState.RECEIVED
            )
            if connection.execute(first.values(state=HookState.DECIDED, decision=decision)).rowcount == 0:
                return ()
            queued = [item for item in work if put(connection, item)]
            for wish in sorted(ends, key=lambda wish: wish.item):  # in one order, so that no two wait for each other
                end(connection, wish)
        CALLS.tell(database)
        return queued

    def deliveries(self, *, repository: str = "", limit: int = 50) -> Sequence[HookDelivery]:
        """Newest first."""
        wanted = _of(repository, sa.select(t.deliveries))
        with self._database().reading() as connection:
            rows = connection.execute(wanted.order_by(t.deliveries.c.id.desc()).limit(limit))
            return [noun(HookDelivery, row) for row in rows]

    def delivery_notes(self, *, repository: str = "", limit: int = 50, before: str = "") -> Sequence[DeliveryNote]:
        """Newest first; the bodies stay in the database."""
        wanted = _of(repository, sa.select(*_NOTE, sa.func.length(t.deliveries.c.body).label("bytes")))
        if before:
            wanted = wanted.where(t.deliveries.c.id < before)
        with self._database().reading() as connection:
            rows = connection.execute(wanted.order_by(t.deliveries.c.id.desc()).limit(limit))
            return [noun(DeliveryNote, row) for row in rows]

    def find_delivery(self, reference: str, *, repository: str = "") -> HookDelivery:
        """By the beginning of its id; two are enough to see that it is not the only one."""
        wanted = _of(repository, sa.select(t.deliveries)).where(
            t.deliveries.c.id.startswith(reference, autoescape=True)
        )
        with self._database().reading() as connection:
            rows = connection.execute(wanted.order_by(t.deliveries.c.id).limit(2)).all() if reference else []
        if not rows:
            raise NotFoundError(f"there is no delivery '{reference}'", hint="`ecluse hook list` shows them")
        if len(rows) > 1:
            raise UsageError(f"several deliveries begin with '{reference}'", hint="write more of the id")
        return noun(HookDelivery, rows[0])

    def forget_deliveries(self, *, before: datetime, keys_before: datetime | None = None) -> int:
        """Leave their keys, and of the oldest nothing."""
        c = t.deliveries.c
        if keys_before is not None:
            older = (c.state == HookState.FORGOTTEN, c.received < keys_before)
            forget(self._database(), t.deliveries, c.id, *older)
        old = (c.state == HookState.DECIDED, c.received < before)
        left = {"state": HookState.FORGOTTEN, "headers": {}, "body": b"", "event": "", "decision": ""}
        return empty(self._database(), t.deliveries, c.id, *old, left=left)

    def schedule_mark(self, repository: str, schedule: str) -> datetime | None:
        """The last time that was looked after."""
        marks = t.schedule_marks
        wanted = sa.select(marks.c.time).where(marks.c.repository == repository, marks.c.schedule == schedule)
        with self._database().reading() as connection:
            time: datetime | None = connection.execute(wanted).scalar()
            return time

    def mark_schedule(self, repository: str, schedule: str, time: datetime, *, work: Sequence[WorkItem] = ()) -> bool:
        """Move the mark on and queue what came due."""
        marks, database = t.schedule_marks, self._database()
        with database.durable() as connection:
            row = insert(connection, marks).values(repository=repository, schedule=schedule, time=time)
            moved = row.on_conflict_do_update(
                index_elements=[marks.c.repository, marks.c.schedule],
                set_={"time": row.excluded.time},
                where=marks.c.time < row.excluded.time,
            )
            if connection.execute(moved.returning(marks.c.time)).first() is None:
                return False
            for item in work:
                put(connection, item)
        CALLS.tell(database)
        return True


def _of(repository: str, wanted: sa.Select[Any]) -> sa.Select[Any]:
    """Deliveries of one repository, or of all, that are not forgotten."""
    wanted = wanted.where(t.deliveries.c.state != HookState.FORGOTTEN)
    return wanted.where(t.deliveries.c.repository == repository) if repository else wanted


def _columns(rows: Sequence[Mapping[str, Any]], dialect: sa.Dialect) -> dict[str, list[Any]]:
    """Rows as a list for each column, in the spelling of the database."""
    found: dict[str, list[Any]] = {}
    for column in _DELIVERY:
        binary = isinstance(column.type, sa.LargeBinary)
        spell = None if binary else column.type.dialect_impl(dialect).bind_processor(dialect)
        values = [row[column.name] for row in rows]
        found[column.name] = [spell(value) for value in values] if spell else values
    return found
