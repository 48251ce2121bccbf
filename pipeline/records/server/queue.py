"""The embedded queue: items as rows of the records' database, taken one by one under a lease with a fencing token."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pipeline.errors import NotFoundError
from pipeline.model.work import WorkEnd, Worker, WorkerState, WorkItem, WorkLimits, WorkState
from pipeline.records import server_tables as t
from pipeline.records.database import Database
from pipeline.records.lease_records import now_of
from pipeline.records.queries import insert
from pipeline.records.rows import noun, plain
from pipeline.records.server import queue_lines as lines
from pipeline.records.server.calls import CALLS, notify
from pipeline.records.server.forgetting import forget
from pipeline.records.server.queue_rows import change, end, item_of, put, returned
from pipeline.records.server.turns import Waiting, in_turn, passed_over

_GONE_AFTER = timedelta(seconds=60)
_OPEN = (WorkState.QUEUED, WorkState.TAKEN, WorkState.PARKED)


class SqlQueue:
    """Implements `pipeline.ports.queue.Queue` for processes that share a database."""

    def __init__(self, database: Callable[[], Database], *, limits: WorkLimits | None = None) -> None:
        self._database = database
        self._limits = limits or WorkLimits()
        self._went_on = False
        """Whether something was there the last time: then there may be more, and it is not asked for first."""

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
        if not self._went_on:
            with database.reading() as connection:
                if not lines.anything(connection):
                    return None
        self._went_on = False
        with database.writing() as connection:
            now = lines.alone(connection)
            known = lines.read(connection, now)
            able = in_turn(known.waiting, known.under_way, known.passed, labels=worker.labels, limits=self._limits)
            for next_one in able:
                taken = _taken(connection, next_one, worker, now=now, until=now + timedelta(seconds=seconds))
                if taken is not None:  # else it was cancelled, or its worker is back
                    lines.note(connection, next_one, passed_over(next_one, able, known.passed), now)
                    self._went_on = True
                    return taken
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
            finished = lines.now_in(connection) if state is WorkState.DONE else None
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
            end(connection, WorkEnd(item=item, by=by, begun=True))
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

    def items(
        self,
        *,
        states: Sequence[WorkState] = (),
        repository: str = "",
        among: Collection[str] | None = None,
        limit: int = 100,
    ) -> Sequence[WorkItem]:
        """Open ones in their turn, others newest first."""
        wanted = sa.select(t.work).where(t.work.c.state.in_(tuple(states) or _OPEN))
        if repository:
            wanted = wanted.where(t.work.c.repository == repository)
        if among is not None:
            wanted = wanted.where(t.work.c.repository.in_(sorted(among)))
        newest = bool(states) and WorkState.DONE in states
        turn = (t.work.c.id.desc(),) if newest else (t.work.c.priority, t.work.c.id)
        with self._database().reading() as connection:
            return [item_of(row) for row in connection.execute(wanted.order_by(*turn).limit(limit))]

    def remark(self, item: str, detail: str) -> None:
        """Why it still waits."""
        with self._database().writing() as connection:
            mine = t.work.update().where(t.work.c.id == item, t.work.c.state == WorkState.QUEUED)
            connection.execute(mine.where(t.work.c.detail != detail).values(detail=detail))

    def forget(self, *, before: datetime) -> int:
        """Remove what is over and told."""
        database = self._database()
        told = (t.work.c.state == WorkState.DONE, t.work.c.told == WorkState.DONE.value)
        gone = forget(database, t.work, t.work.c.id, *told, t.work.c.finished < before)
        forget(database, t.workers, t.workers.c.name, t.workers.c.seen < before)
        forget(database, t.places, t.places.c.id, t.places.c.expires < before)
        forget(database, t.turns, t.turns.c.line, t.turns.c.served < before)
        return gone

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

    @property
    def tells(self) -> bool:
        """PostgreSQL does."""
        return self._database().path is None

    def listen(self, heard: Callable[[], None]) -> Callable[[], None]:
        """PostgreSQL tells; over SQLite other processes look by themselves."""
        return CALLS.listen(self._database(), heard)

    @staticmethod
    def _now(database: Database, connection: sa.Connection) -> datetime:
        """One clock for all who ask this database."""
        return datetime.now(UTC) if database.path else now_of(connection)


def _taken(
    connection: sa.Connection, item: Waiting, worker: Worker, *, now: datetime, until: datetime
) -> WorkItem | None:
    """The item under a new token, if it may still be taken."""
    work = t.work.c
    over = sa.and_(work.state == WorkState.TAKEN, work.expires <= now)
    order = (
        t.work.update()
        .where(work.id == item.id, work.token == item.token, sa.or_(work.state == WorkState.QUEUED, over))
        .values(state=WorkState.TAKEN, worker=worker.name, token=work.token + 1, expires=until, detail="")
        .returning(t.work)
    )
    row = connection.execute(order).first()
    return item_of(row) if row is not None else None
