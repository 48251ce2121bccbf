"""The lines of the queue: what stands at the head of each, what is under way, who was served when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.model.work import WorkKind, WorkState
from pipeline.records import server_tables as t
from pipeline.records.columns import Instant
from pipeline.records.queries import insert
from pipeline.records.server.turns import UnderWay, Waiting

_LOCK = 3141592654


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """What a decision about the next turn is made of."""

    waiting: tuple[Waiting, ...]
    under_way: tuple[UnderWay, ...]
    passed: Mapping[WorkKind, int]


def alone(connection: sa.Connection) -> datetime:
    """One taker at a time until this transaction ends, so that limits hold (SQLite has one writer anyway); now."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    locked = connection.exec_driver_sql(f"SELECT clock_timestamp() FROM pg_advisory_xact_lock({_LOCK})")  # noqa: S608
    now: datetime = locked.scalar_one()
    return now


def anything(connection: sa.Connection) -> bool:
    """Whether it is worth asking whose turn it is."""
    work = t.work.c
    over = sa.and_(work.state == WorkState.TAKEN, work.expires <= now_in(connection))
    wanted = sa.select(work.id).where(sa.or_(work.state == WorkState.QUEUED, over)).limit(1)
    return connection.execute(wanted).first() is not None


def now_in(connection: sa.Connection) -> sa.ColumnElement[Any]:
    """The time as a part of a statement, by one clock for all who ask this database."""
    if connection.dialect.name == "sqlite":
        return sa.bindparam(None, datetime.now(UTC), type_=Instant())
    utc = sa.func.timezone("UTC", sa.func.clock_timestamp())
    return sa.type_coerce(sa.func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), Instant())


def read(connection: sa.Connection, now: datetime) -> Lines:
    """As they stand now. What it costs grows with the number of lines, not with their length."""
    rows = connection.execute(_all()).all()
    living = [row for row in rows if row.state is WorkState.TAKEN and row.expires is not None and row.expires > now]
    return Lines(
        waiting=tuple(_waiting(row) for row in rows if row not in living),
        under_way=tuple(UnderWay(kind=row.kind, repository=row.repository) for row in living),
        passed={row.kind: row.passed or 0 for row in rows},
    )


def note(connection: sa.Connection, taken: Waiting, passed: Mapping[WorkKind, int], now: datetime) -> None:
    """Who was served, and who was passed over."""
    rows = [{"line": _line_of(kind), "passed": times, "served": now} for kind, times in passed.items()]
    rows.append({"line": _line_of(taken.kind, taken.repository), "passed": 0, "served": now})
    row = insert(connection, t.turns).values(rows)
    set_ = {"passed": row.excluded.passed, "served": row.excluded.served}
    connection.execute(row.on_conflict_do_update(index_elements=[t.turns.c.line], set_=set_))


def _line_of(kind: WorkKind, repository: str = "") -> str:
    """What the table calls a kind, or a kind's items of one repository."""
    return f"{kind.value} {repository}"


def _waiting(row: sa.Row[Any]) -> Waiting:
    return Waiting(
        id=row.id,
        token=row.token,
        kind=row.kind,
        repository=row.repository,
        labels=tuple(row.labels),
        served=row.served.isoformat(timespec="microseconds") if row.served is not None else "",
        interrupted=row.state is WorkState.TAKEN,
    )


@cache
def _all() -> sa.CompoundSelect[Any]:
    """Made once: to write this statement takes longer than to answer it."""
    return _heads().union_all(_taken())


def _taken() -> sa.Select[Any]:
    """All that somebody has, or had: as many as there are slots."""
    return _shown(t.work).where(t.work.c.state == WorkState.TAKEN)


def _heads() -> sa.Select[Any]:
    """The oldest item of each line: from one line the index leads to the next, however long it is."""
    first, other = t.work.alias("first"), t.work.alias("other")
    begin = sa.select(first.c.id, first.c.priority, first.c.repository, first.c.labels).where(
        first.c.state == WorkState.QUEUED
    )
    heads = begin.order_by(*_line(first), first.c.id).limit(1).subquery("begin")
    found = sa.select(heads).cte("heads", recursive=True)
    following = (
        sa.select(other.c.id)
        .where(other.c.state == WorkState.QUEUED, sa.tuple_(*_line(other)) > sa.tuple_(*_line(found)))
        .order_by(*_line(other), other.c.id)
        .limit(1)
        .scalar_subquery()
    )
    step = t.work.alias("step")
    found = found.union_all(
        sa.select(step.c.id, step.c.priority, step.c.repository, step.c.labels).select_from(
            found.join(step, step.c.id == following)
        )
    )
    return _shown(t.work).join(found, found.c.id == t.work.c.id)


def _line(of: Any) -> tuple[sa.ColumnElement[Any], ...]:
    return of.c.priority, of.c.repository, of.c.labels


def _shown(work: sa.Table) -> sa.Select[Any]:
    line, kind = t.turns.alias("line"), t.turns.alias("kind")
    begins = sa.cast(work.c.kind, sa.Text) + " "
    served = line.c.line == begins + sa.cast(work.c.repository, sa.Text)
    names = ("id", "token", "kind", "repository", "labels", "state", "expires")
    joined = work.outerjoin(line, served).outerjoin(kind, kind.c.line == begins)
    return sa.select(*(work.c[name] for name in names), line.c.served, kind.c.passed).select_from(joined)
