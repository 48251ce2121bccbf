"""Brings a database to the schema of this program, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import RecordsError
from pipeline.records.database import Database
from pipeline.records.revisions import REVISIONS

MIGRATIONS = Path(__file__).parent / "migrations"


def ensure_current(database: Database) -> None:
    """Upgrade an older (or empty) database, by one process at a time; nothing more than one query for a current one.

    Raises RecordsError when the database was written by a newer program.
    """
    with database.reading() as connection:
        if not _behind(connection, database.where):
            return
    with database.upgrading() as connection:
        if _behind(connection, database.where):
            upgrade(connection)


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, revision)


def _behind(connection: sa.Connection, where: str) -> bool:
    """Whether the schema is older than this program."""
    stored = _stored_revision(connection)
    if stored == REVISIONS[-1]:
        return False
    if stored is not None and stored not in REVISIONS:
        raise RecordsError(
            f"database {where} has schema {stored}, this ecluse knows schemas up to {REVISIONS[-1]}",
            hint="a newer ecluse wrote it: install that version, or use another ECLUSE_HOME",
        )
    return True


def _stored_revision(connection: sa.Connection) -> str | None:
    """What Alembic noted, or None for a database that it has not seen."""
    if connection.dialect.name == "sqlite":
        known = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").first()
    else:
        known = connection.exec_driver_sql("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL").first()
    if known is None:
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return str(row[0]) if row else None
