"""Releases and promotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import NotFoundError, RecordsError, RefusedError
from pipeline.model.decision import Lease
from pipeline.model.release import LedgerEntry, Measurement, Promotion, Release
from pipeline.model.status import PromotionState
from pipeline.model.value import Value, to_value
from pipeline.records import lease_records, queries
from pipeline.records import tables as t
from pipeline.records.ledger_queries import lock_ledger
from pipeline.records.ledger_records import append
from pipeline.records.projection import refuse_derived
from pipeline.records.rows import noun


def save_release(connection: sa.Connection, release: Release, *, actor: str, now: datetime) -> None:
    """Store a release and the entry that says so, unless it is known."""
    lock_ledger(connection)
    if connection.execute(queries.release_by_id(release.id)).first() is None:
        reason = f"run {release.run}" if release.run else ""
        told = {"release": to_value(release)}
        append(connection, now=now, actor=actor, action="release.sealed", subject=release.id, reason=reason, data=told)


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


def list_releases(connection: sa.Connection, repository: str, limit: int, before: str = "") -> Sequence[Release]:
    """Newest first."""
    return [_release(row) for row in connection.execute(queries.latest_releases(repository, limit, before))]


def save_promotion(
    connection: sa.Connection,
    promotion: Promotion,
    *,
    actor: str,
    action: str,
    data: Mapping[str, Value],
    now: datetime,
    lease: Lease | None,
    seen: PromotionState | None = None,
) -> LedgerEntry:
    """Append the entry that says so, and store the promotion.

    The entry's data holds the whole promotion and its release, so that both tables can be rebuilt from the ledger.
    """
    release = connection.execute(queries.release_by_id(promotion.release)).first()
    if release is None:
        raise RecordsError(f"promotion {promotion.id} is of a release that is not recorded: {promotion.release}")
    if lease is not None or seen is not None:
        lock_ledger(connection)
    if lease is not None:
        lease_records.check(connection, lease)
    if seen is not None:
        _check_seen(connection, promotion, seen)
    refuse_derived(data)
    told: dict[str, Value] = {**data, "promotion": to_value(promotion), "release": to_value(_release(release))}
    return append(
        connection,
        now=now,
        actor=actor,
        action=action,
        subject=promotion.id,
        reason=promotion.reason,
        data=told,
    )


def _check_seen(connection: sa.Connection, promotion: Promotion, seen: PromotionState) -> None:
    """Nobody else has moved it since we looked; the ledger is locked, so nobody will before we do."""
    state = connection.execute(sa.select(t.promotions.c.state).where(t.promotions.c.id == promotion.id)).scalar()
    if state != seen:
        raise RefusedError(
            f"promotion {promotion.id} is {state} by now (it was {seen}): somebody else was quicker",
            hint=f"`ecluse history {promotion.environment}` shows what happened to it",
        )


def list_promotions(
    connection: sa.Connection,
    repository: str,
    environment: str,
    release: str,
    *,
    under_way: bool,
    limit: int,
    before: str = "",
) -> Sequence[Promotion]:
    """Newest first."""
    wanted = queries.latest_promotions(repository, environment, release, limit, before)
    rows = connection.execute(wanted.where(t.promotions.c.finished.is_(None)) if under_way else wanted)
    return [promotion_of(row) for row in rows]


def promotion_of(row: sa.Row[Any]) -> Promotion:
    """The promotion again."""
    return noun(Promotion, row, measurements=_measurements(row.measurements))


def _release(row: sa.Row[Any]) -> Release:
    return noun(Release, row)


def _measurements(stored: Sequence[Mapping[str, Any]]) -> tuple[Measurement, ...]:
    return tuple(Measurement(**{**item, "time": datetime.fromisoformat(item["time"])}) for item in stored)
