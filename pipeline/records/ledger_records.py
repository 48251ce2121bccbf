"""The ledger: appending to it, reading it, and making the derived tables anew from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from json.encoder import encode_basestring as _quoted
from typing import Any

import sqlalchemy as sa

from pipeline.errors import RecordsError
from pipeline.model.ledger import Break, Chain, Link, entry_hash, seal
from pipeline.model.release import LedgerEntry
from pipeline.model.value import Value
from pipeline.records import ledger_queries as queries
from pipeline.records import tables as t
from pipeline.records.projection import DERIVED, Projection, refuse_derived, rows_of
from pipeline.records.rows import plain
from pipeline.records.spool import storable

AT_ONCE = 500
"""Subjects that one statement names, and rows that are written at once: SQLite takes a bounded number of parameters."""
_PAGE = 2000


def append(
    connection: sa.Connection,
    *,
    now: datetime,
    actor: str,
    action: str,
    subject: str,
    reason: str,
    data: Mapping[str, Value],
) -> LedgerEntry:
    """Write the next entry, and what is derived from it."""
    queries.lock_ledger(connection)
    head = last(connection)
    entry = seal(
        head,
        time=now,
        actor=storable(actor),
        action=storable(action),
        subject=storable(subject),
        reason=storable(reason),
        data={storable(name): _storable(item) for name, item in data.items()},
    )
    connection.execute(t.ledger.insert().values(**plain(entry)))
    for table, values in rows_of(entry):
        for statement in queries.keep(connection, table, values):
            connection.execute(statement)
    return entry


def note(connection: sa.Connection, *, data: Mapping[str, Value], **more: Any) -> LedgerEntry:
    """Write an entry from which nothing is derived."""
    refuse_derived(data)
    return append(connection, data=data, **more)


def last(connection: sa.Connection) -> LedgerEntry | None:
    """The head."""
    row = connection.execute(queries.last_entry()).first()
    return _entry(row) if row is not None else None


def ledger(connection: sa.Connection, after: int, limit: int) -> Sequence[LedgerEntry]:
    """Entries in order."""
    return [_entry(row) for row in connection.execute(queries.entries_after(after, limit))]


def links(connection: sa.Connection, after: int, limit: int) -> Sequence[Link]:
    """The chain in order.

    What is stored is hashed as it is, which is three times as quick as reading and spelling it. Where that is not the
    entry's hash, the way by its content decides: earlier programs stored another spelling.
    """
    return [_link(row) for row in connection.execute(queries.links_after(after, limit))]


def entries(
    connection: sa.Connection,
    chosen: queries.Chosen,
    subjects: Collection[str],
    newest: int,
) -> Sequence[LedgerEntry]:
    """The newest that match, oldest first."""
    asked = sorted(set(subjects))
    parts: list[Sequence[str]] = [asked[at : at + AT_ONCE] for at in range(0, len(asked), AT_ONCE)] or [()]
    rows = [row for part in parts for row in connection.execute(queries.newest_entries(chosen, part, newest))]
    rows.sort(key=lambda row: row.seq)
    return [_entry(row) for row in rows[-newest:]]


def rebuild(connection: sa.Connection, progress: Callable[[int], None] | None) -> Mapping[str, int]:
    """Empty the derived tables and fill them from the ledger, checking its chain on the way."""
    queries.lock_ledger(connection)
    projection, chain = Projection(), Chain()
    fault: Break | None = None
    while fault is None and (rows := connection.execute(queries.links_after(chain.seq, _PAGE)).all()):
        for row in rows:
            fault = chain.follow(_link(row))
            if fault is not None:
                break
            projection.add(row.seq, json.loads(row.data))
        if progress is not None:
            progress(chain.seq)
    if fault is not None:
        raise RecordsError(
            f"the ledger does not hold at entry {fault.seq}: {fault.what}; nothing was rebuilt",
            hint="`ecluse ledger verify` says more; put a backup of the database in its place",
        )
    for table in reversed(DERIVED):
        connection.execute(table.delete())
    counts: dict[str, int] = {}
    for table in DERIVED:
        derived = projection.rows(table)
        for at in range(0, len(derived), AT_ONCE):
            connection.execute(table.insert(), derived[at : at + AT_ONCE])
        counts[table.name] = len(derived)
    return counts


def _entry(row: sa.Row[Any]) -> LedgerEntry:
    return LedgerEntry(
        seq=row.seq,
        time=row.time,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        reason=row.reason,
        data=row.data,
        previous=row.previous,
        hash=row.hash,
    )


def _link(row: sa.Row[Any]) -> Link:
    seq, action, actor, data, previous, reason, subject, time, claimed = tuple(row)
    try:
        zulu = time.replace(".000000", "").removesuffix("Z")
        text = (
            f'{{"action":{_quoted(action)},"actor":{_quoted(actor)},"data":{data},"previous":{_quoted(previous)},'
            f'"reason":{_quoted(reason)},"seq":{seq},"subject":{_quoted(subject)},"time":"{zulu}+00:00"}}'
        )
        hashed = hashlib.sha256(text.encode()).hexdigest()
        if hashed != claimed:
            hashed = _hash_of_content(seq, dict(zip(queries.STORED, tuple(row)[1:], strict=True)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        hashed = ""  # somebody stored there what is no text
    return Link(seq=seq, previous=previous, hash=claimed, hashed=hashed)


def _hash_of_content(seq: int, stored: Mapping[str, str]) -> str:
    """By what an entry says, not by how that is stored."""
    told = {**stored, "seq": seq, "time": datetime.fromisoformat(stored["time"]), "data": json.loads(stored["data"])}
    return entry_hash(LedgerEntry(**told))


def _storable(value: Value) -> Value:
    """The value as it will be read again, so that the hash covers what is stored."""
    match value:
        case str():
            return storable(value)
        case Mapping():
            return {storable(name): _storable(item) for name, item in value.items()}
        case Sequence():
            return [_storable(item) for item in value]
        case _:
            return value
