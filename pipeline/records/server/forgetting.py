"""Rows that have had their time go in small lots, so that nobody waits long for the database meanwhile."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pipeline.records.database import Database

LOT = 500


def forget(database: Database, table: sa.Table, key: sa.Column[Any], *old: sa.ColumnElement[bool]) -> int:
    """Delete all rows that are `old`, each lot in a transaction of its own; how many went."""
    gone = 0
    while True:
        lot = sa.select(key).where(*old).limit(LOT).scalar_subquery()
        with database.writing() as connection:
            removed = connection.execute(table.delete().where(key.in_(lot), *old)).rowcount
        gone += removed
        if removed < LOT:
            return gone
