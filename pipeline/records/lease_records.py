"""Leases: who may change something now, with tokens that only grow."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from pipeline.errors import LeaseLostError
from pipeline.model.decision import Lease
from pipeline.records import tables as t
from pipeline.records.queries import insert
from pipeline.records.rows import noun

_FREE = ""
"""The holder of a lease that was given up."""


def now_of(connection: sa.Connection) -> datetime:
    """The server's clock: the machines that ask it for leases may have different ones."""
    time: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return time


def take(connection: sa.Connection, name: str, *, holder: str, now: datetime, seconds: float) -> Lease | None:
    """One order decides, so that of two at once one gets it."""
    if not holder:
        raise ValueError("a lease needs a holder")
    leases = t.leases
    row = insert(connection, leases).values(name=name, holder=holder, token=1, expires=now + timedelta(seconds=seconds))
    mine = leases.c.holder == row.excluded.holder
    order = row.on_conflict_do_update(
        index_elements=[leases.c.name],
        set_={
            "token": sa.case((mine, leases.c.token), else_=leases.c.token + 1),
            "holder": row.excluded.holder,
            "expires": row.excluded.expires,
        },
        where=sa.or_(mine, leases.c.holder == _FREE, leases.c.expires <= now),
    ).returning(leases)
    taken = connection.execute(order).first()
    return noun(Lease, taken) if taken is not None else None


def renew(connection: sa.Connection, lease: Lease, *, now: datetime, seconds: float) -> Lease:
    """A new end."""
    expires = now + timedelta(seconds=seconds)
    order = t.leases.update().where(*_same(lease)).values(expires=expires)
    if connection.execute(order).rowcount == 0:
        raise _lost(connection, lease)
    return replace(lease, expires=expires)


def release(connection: sa.Connection, lease: Lease) -> None:
    """Nobody's, with the token kept."""
    connection.execute(t.leases.update().where(*_same(lease)).values(holder=_FREE))


def find(connection: sa.Connection, name: str) -> Lease | None:
    """Whoever holds it."""
    row = connection.execute(sa.select(t.leases).where(t.leases.c.name == name, t.leases.c.holder != _FREE)).first()
    return noun(Lease, row) if row is not None else None


def check(connection: sa.Connection, lease: Lease) -> None:
    """LeaseLostError where it is not its holder's any more; until commit nobody can take it."""
    held = sa.select(t.leases.c.token).where(*_same(lease)).with_for_update(read=True)
    if connection.execute(held).first() is None:
        raise _lost(connection, lease)


def _same(lease: Lease) -> tuple[sa.ColumnElement[bool], ...]:
    leases = t.leases
    return (leases.c.name == lease.name, leases.c.holder == lease.holder, leases.c.token == lease.token)


def _lost(connection: sa.Connection, lease: Lease) -> LeaseLostError:
    other = find(connection, lease.name)
    return LeaseLostError(
        f"the lease of '{lease.name}' is lost: "
        + (f"{other.holder} has it now, until {other.expires:%Y-%m-%d %H:%M:%S} UTC" if other else "it was given up"),
        hint="nothing was written; what the other one does counts",
    )
