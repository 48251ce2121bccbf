"""Questions and orders to the database about the ledger and what is derived from it, named."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.records import tables as t
from pipeline.records.queries import insert

STORED = ("action", "actor", "data", "previous", "reason", "subject", "time", "hash")
"""What `links_after` asks for behind seq."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Which entries; empty fields say nothing."""

    actions: Collection[str] = ()
    actor: str = ""
    since: datetime | None = None
    until: datetime | None = None


def lock_ledger(connection: sa.Connection) -> None:
    """Let nobody else append until commit; in SQLite the transaction already sees to that."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("LOCK TABLE ledger IN SHARE ROW EXCLUSIVE MODE")


def last_entry() -> sa.Select[Any]:
    """The head of the ledger."""
    return sa.select(t.ledger).order_by(t.ledger.c.seq.desc()).limit(1)


def entries_after(seq: int, limit: int) -> sa.Select[Any]:
    """Ledger entries in order."""
    return sa.select(t.ledger).where(t.ledger.c.seq > seq).order_by(t.ledger.c.seq).limit(limit)


def links_after(seq: int, limit: int) -> sa.Select[Any]:
    """Ledger entries in order, seq and what is STORED of each, as it is stored."""
    columns: list[Any] = [t.ledger.c.seq, *(sa.type_coerce(t.ledger.c[name], sa.Text) for name in STORED)]
    wanted: sa.Select[Any] = sa.select(*columns)
    return wanted.where(t.ledger.c.seq > seq).order_by(t.ledger.c.seq).limit(limit)


def newest_entries(chosen: Chosen, subjects: Sequence[str], newest: int) -> sa.Select[Any]:
    """The newest entries that match, newest first.

    Several actions are several questions, each with its own end: so each walks its index from the newest on, and a
    rare action does not make the database read everything.
    """
    place = t.ledger.c.seq
    wanted = sa.select(place)
    if subjects:
        wanted = wanted.where(t.ledger.c.subject.in_(subjects))
    if chosen.actor:
        wanted = wanted.where(t.ledger.c.actor == chosen.actor)
    if chosen.since is not None:
        wanted = wanted.where(t.ledger.c.time >= chosen.since)
    if chosen.until is not None:
        wanted = wanted.where(t.ledger.c.time < chosen.until)
    parts = [wanted.where(t.ledger.c.action == action) for action in sorted(set(chosen.actions))] or [wanted]
    ended = [sa.select(part.order_by(place.desc()).limit(newest).subquery().c.seq) for part in parts]
    found = sa.union_all(*ended).subquery()
    return sa.select(t.ledger).where(place.in_(sa.select(found.c.seq))).order_by(place.desc()).limit(newest)


def keep(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> Sequence[Any]:
    """Orders that bring a derived row to what an entry says: a release that is known stays as it is, an answer takes
    the place of the same person's to the same plan, anything else is replaced."""
    if table is t.approvals:
        same = [table.c[name] == values[name] for name in ("promotion", "plan", "person")]
        return (table.delete().where(*same), table.insert().values(**values))
    order = insert(connection, table).values(**values)
    if table is t.releases:
        return (order.on_conflict_do_nothing(index_elements=[table.c.id]),)
    changed = {name: order.excluded[name] for name in values if name != "id"}
    return (order.on_conflict_do_update(index_elements=[table.c.id], set_=changed),)
