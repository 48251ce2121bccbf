"""Releases, promotions and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import NotFoundError, RecordsError
from pipeline.model.ledger import seal
from pipeline.model.release import LedgerEntry, Measurement, Promotion, Release
from pipeline.model.value import Value, to_value
from pipeline.records import queries
from pipeline.records import tables as t
from pipeline.records.rows import noun, plain
from pipeline.records.spool import storable


def save_release(connection: sa.Connection, release: Release) -> None:
    """Store a release unless it is known."""
    connection.execute(queries.keep_release(connection, plain(release) | {"id": release.id}))


def find_release(connection: sa.Connection, reference: str) -> Release:
    """By id, name, or prefix of the hex digits, in this order."""
    text = reference.strip()
    row = (
        connection.execute(queries.release_by_id(text)).first()
        or connection.execute(queries.release_by_name(text)).first()
    )
    if row is not None:
        return _release(row)
    digits = text.lower().removeprefix("sha256:")
    found: Sequence[sa.Row[Any]] = ()
    if len(digits) >= 4:
        found = connection.execute(queries.releases_by_prefix(f"sha256:{digits}")).all()
    if len(found) > 1:
        raise NotFoundError(
            f"'{reference}' may be release {found[0].name} or {found[1].name}", hint="give more digits of its id"
        )
    if not found:
        raise NotFoundError(f"there is no release '{reference}'", hint="`ecluse releases` lists them")
    return _release(found[0])


def list_releases(connection: sa.Connection, repository: str, limit: int) -> Sequence[Release]:
    """Newest first."""
    return [_release(row) for row in connection.execute(queries.latest_releases(repository, limit))]


def save_promotion(
    connection: sa.Connection,
    promotion: Promotion,
    *,
    actor: str,
    action: str,
    data: Mapping[str, Value],
    now: datetime,
) -> LedgerEntry:
    """Store the promotion and append the entry that says so.

    The entry's data holds the whole promotion and its release, so that both tables can be rebuilt from the ledger.
    """
    release = connection.execute(queries.release_by_id(promotion.release)).first()
    if release is None:
        raise RecordsError(f"promotion {promotion.id} is of a release that is not recorded: {promotion.release}")
    queries.lock_ledger(connection)
    head = connection.execute(queries.last_entry()).first()
    told: dict[str, Value] = {**data, "promotion": to_value(promotion), "release": to_value(_release(release))}
    entry = seal(
        noun(LedgerEntry, head) if head is not None else None,
        time=now,
        actor=storable(actor),
        action=storable(action),
        subject=storable(promotion.id),
        reason=storable(promotion.reason),
        data={storable(name): _storable(item) for name, item in told.items()},
    )
    connection.execute(t.ledger.insert().values(**plain(entry)))
    connection.execute(queries.keep_promotion(connection, plain(promotion)))
    return entry


def list_promotions(
    connection: sa.Connection, repository: str, environment: str, release: str, limit: int
) -> Sequence[Promotion]:
    """Newest first."""
    rows = connection.execute(queries.latest_promotions(repository, environment, release, limit))
    return [noun(Promotion, row, measurements=_measurements(row.measurements)) for row in rows]


def ledger(connection: sa.Connection, after: int, limit: int) -> Sequence[LedgerEntry]:
    """Entries in order."""
    return [noun(LedgerEntry, row) for row in connection.execute(queries.entries_after(after, limit))]


def _release(row: sa.Row[Any]) -> Release:
    return noun(Release, row)


def _measurements(stored: Sequence[Mapping[str, Any]]) -> tuple[Measurement, ...]:
    return tuple(Measurement(**{**item, "time": datetime.fromisoformat(item["time"])}) for item in stored)


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
