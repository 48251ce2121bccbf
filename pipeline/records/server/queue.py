"""The embedded queue: items as rows of the records' database, taken one by one under a lease with a fencing token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pipeline.errors import NotFoundError
from pipeline.model.work import Worker, WorkerState, WorkItem, WorkState
from pipeline.records import server_tables as t
from pipeline.records.database import Database
from pipeline.records.lease_records import now_of
from pipeline.records.queries import insert
from pipeline.records.rows import noun, plain
from pipeline.records.server.calls import CALLS, notify
from pipeline.records.server.queue_rows import change, item_of, put, returned

_GONE_AFTER = timedelta(seconds=60)
_OPEN = (WorkState.QUEUED, WorkState.TAKEN, WorkState.PARKED)
_LOOK = 20
"""So many items are tried for one that nobody takes in the same moment."""


class SqlQueue:
    """Implements `pipeline.ports.queue.Queue` for processes that share a database."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database

    def put(self, item: WorkItem) -> bool:
        """Queue it, on the disk when this returns."""
        database = self._database()
        with database.durable() as connection:
            new = put(connection, item)
        CALLS.tell(database)
        return new

    def take(self, worker: Worker, *, seconds: float) -> WorkItem | None:
        """The item whose turn it is."""
        database = self._database()
        with database.writing() as connection:
            now = self._now(database, connection)
            free = sa.or_(
                t.work.c.state == WorkState.QUEUED,
                sa.and_(t.work.c.state == WorkState.TAKEN, t.work.c.expires <= now),
            )
            for row in connection.execute(_in_turn(free, _fitting(connection, free, worker.labels))).all():
                order = (
                    t.work.update()
                    .where(t.work.c.id == row.id, t.work.c.token == row.token, free)
                    .values(
                        state=WorkState.TAKEN,
                        worker=worker.name,
                        token=t.work.c.token + 1,
                        expires=now + timedelta(seconds=seconds),
                        detail="",
                    )
                    .returning(t.work)
                )
                taken = connection.execute(order).first()
                if taken is not None:  # else another took it in this moment
                    return item_of(taken)
        return None

    def renew(self, item: WorkItem, *, seconds: float) -> WorkItem:
        """A new end."""
        database = self._database()
        with database.writing() as connection:
            return change(connection, item, expires=self._now(database, connection) + timedelta(seconds=seconds))

    def finish(self, item: WorkItem, *, state: WorkState, detail: str) -> None:
        """`done` or `parked`."""
        database = self._database()
        with database.durable() as connection:
            finished = self._now(database, connection) if state is WorkState.DONE else None
            change(connection, item, state=state, detail=detail, finished=finished, expires=None)

    def give_back(self, item: WorkItem, *, why: str, labels: Sequence[str] | None = None) -> None:
        """Queue it again."""
        database = self._database()
        with database.writing() as connection:
            back = returned(item, why)
            wanted = tuple(item.labels if labels is None else labels)
            change(connection, item, state=back.state, worker="", expires=None, detail=back.detail, labels=wanted)
            notify(connection)
        CALLS.tell(database)

    def wake(self, item: str, *, started: Sequence[str] = (), by: str = "") -> bool:
        """Queue a parked item again."""
        database = self._database()
        with database.durable() as connection:
            row = connection.execute(
                sa.select(t.work).where(t.work.c.id == item, t.work.c.state == WorkState.PARKED)
            ).first()
            if row is None:
                return False
            asked = item_of(row).request
            request = replace(asked, started=tuple(started), by=by or asked.by)
            order = t.work.update().where(t.work.c.id == item, t.work.c.state == WorkState.PARKED)
            values = {"state": WorkState.QUEUED, "worker": "", "detail": "", "request": request}
            woken = connection.execute(order.values(**values)).rowcount
            notify(connection)
        CALLS.tell(database)
        return woken == 1

    def cancel(self, item: str, *, by: str) -> WorkItem:
        """Ask for its end; one that nobody has taken yet is done at once, one that is parked is ended by a worker."""
        database = self._database()
        with database.durable() as connection:
            now = self._now(database, connection)
            mine = (t.work.c.id == item,)
            waits = t.work.c.state.in_((WorkState.QUEUED, WorkState.PARKED))
            connection.execute(t.work.update().where(*mine, t.work.c.state.in_(_OPEN)).values(cancel=by))
            fresh = t.work.update().where(*mine, waits, t.work.c.token == 0)
            connection.execute(fresh.values(state=WorkState.DONE, detail=f"cancelled by {by}", finished=now))
            parked = t.work.update().where(*mine, t.work.c.state == WorkState.PARKED)
            connection.execute(parked.values(state=WorkState.QUEUED, worker=""))
            notify(connection)
        CALLS.tell(database)
        return self.find(item)

    def of_key(self, key: str) -> WorkItem:
        """By what asked for it."""
        with self._database().reading() as connection:
            row = connection.execute(sa.select(t.work).where(t.work.c.key == key)).first()
        if row is None:
            raise NotFoundError(f"nothing was asked for as '{key}'", hint="`ecluse queue` shows what waits")
        return item_of(row)

    def find(self, item: str) -> WorkItem:
        """By id."""
        with self._database().reading() as connection:
            row = connection.execute(sa.select(t.work).where(t.work.c.id == item)).first()
        if row is None:
            raise NotFoundError(f"nobody asked the server for a run '{item}'", hint="`ecluse queue` shows what waits")
        return item_of(row)

    def items(self, *, states: Sequence[WorkState] = (), repository: str = "", limit: int = 100) -> Sequence[WorkItem]:
        """Open ones in their turn, others newest first."""
        wanted = sa.select(t.work).where(t.work.c.state.in_(tuple(states) or _OPEN))
        if repository:
            wanted = wanted.where(t.work.c.repository == repository)
        newest = bool(states) and WorkState.DONE in states
        turn = (t.work.c.id.desc(),) if newest else (t.work.c.priority, t.work.c.id)
        with self._database().reading() as connection:
            return [item_of(row) for row in connection.execute(wanted.order_by(*turn).limit(limit))]

    def remark(self, item: str, detail: str) -> None:
        """Why it still waits."""
        with self._database().writing() as connection:
            mine = t.work.update().where(t.work.c.id == item, t.work.c.state == WorkState.QUEUED)
            connection.execute(mine.where(t.work.c.detail != detail).values(detail=detail))

    def greet(self, worker: Worker) -> None:
        """Say that it lives."""
        with self._database().writing() as connection:
            values = plain(worker)
            row = insert(connection, t.workers).values(**values)
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=[t.workers.c.name], set_={key: row.excluded[key] for key in values}
                )
            )

    def workers(self, *, now: datetime) -> Sequence[Worker]:
        """By name."""
        with self._database().reading() as connection:
            rows = connection.execute(sa.select(t.workers).order_by(t.workers.c.name)).all()
        found = [noun(Worker, row, labels=tuple(row.labels)) for row in rows]
        return [replace(item, state=WorkerState.GONE) if now - item.seen > _GONE_AFTER else item for item in found]

    def listen(self, heard: Callable[[], None]) -> Callable[[], None]:
        """PostgreSQL tells; over SQLite other processes look by themselves."""
        return CALLS.listen(self._database(), heard)

    @staticmethod
    def _now(database: Database, connection: sa.Connection) -> datetime:
        """One clock for all who ask this database."""
        return datetime.now(UTC) if database.path else now_of(connection)


def _fitting(connection: sa.Connection, free: sa.ColumnElement[bool], labels: Sequence[str]) -> list[tuple[str, ...]]:
    """What free items ask of their worker, of that what this one has: few different wishes, however many items."""
    wishes = connection.execute(sa.select(t.work.c.labels).where(free).distinct()).scalars()
    return [tuple(wish) for wish in wishes if set(wish) <= set(labels)]


def _in_turn(free: sa.ColumnElement[bool], wishes: Sequence[tuple[str, ...]]) -> sa.Select[tuple[str, int]]:
    """By priority, then the repository with the fewest runs under way, then age."""
    other = t.work.alias()
    busy = (
        sa.select(sa.func.count())
        .select_from(other)
        .where(other.c.repository == t.work.c.repository, other.c.state == WorkState.TAKEN)
        .scalar_subquery()
    )
    wanted = sa.select(t.work.c.id, t.work.c.token).where(free, t.work.c.labels.in_(list(wishes)))
    return wanted.order_by(t.work.c.priority, busy, t.work.c.id).limit(_LOOK)
