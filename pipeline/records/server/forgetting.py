"""Rows that have had their time go in small lots, so that nobody waits long for the database meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pipeline.records.database import Database

LOT = 500


def forget(database: Database, table: sa.Table, key: sa.Column[Any], *old: sa.ColumnElement[bool]) -> int:
    """Delete all rows that are `old`, each lot in a transaction of its own; how many went."""
    return _in_lots(database, table.delete(), key, old)


def empty(
    database: Database, table: sa.Table, key: sa.Column[Any], *old: sa.ColumnElement[bool], left: Mapping[str, Any]
) -> int:
    """Overwrite what `left` names in all rows that are `old`, which must make them so no longer; how many."""
    return _in_lots(database, table.update().values(**left), key, old)


def _in_lots(
    database: Database, order: sa.Delete | sa.Update, key: sa.Column[Any], old: tuple[sa.ColumnElement[bool], ...]
) -> int:
    gone = 0
    while True:
        lot = sa.select(key).where(*old).limit(LOT).scalar_subquery()
        with database.writing() as connection:
            moved = connection.execute(order.where(key.in_(lot), *old)).rowcount
        gone += moved
        if moved < LOT:
            return gone
