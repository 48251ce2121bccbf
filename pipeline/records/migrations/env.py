"""What Alembic runs: migrations within the transaction that `pipeline.records.upgrade` opened."""

from __future__ import annotations

from alembic import context

from pipeline.records import server_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=server_tables.work.metadata,
    transactional_ddl=True,  # SQLite too, as the driver is told to leave transactions alone
)
context.run_migrations()
