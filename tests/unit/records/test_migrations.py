"""Migrations and tables are the same schema, told twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pipeline.errors import RecordsError
from pipeline.records import server_tables, sqlite_url
from pipeline.records.database import Database
from pipeline.records.revisions import REVISIONS
from pipeline.records.upgrade import MIGRATIONS, ensure_current


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(sqlite_url(tmp_path), wait=1)
    ensure_current(opened)
    yield opened
    opened.close()


def test_the_migrations_end_where_the_tables_are(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, server_tables.work.metadata) == []


def test_the_list_of_revisions_is_that_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(known)) == REVISIONS


def test_an_upgrade_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path), wait=1)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE ledger (x)")  # stands in the way of the first migration
    with pytest.raises(RecordsError, match="ledger"):
        ensure_current(database)
    with database.reading() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    assert list(names) == ["ledger"]
