"""The database: tables, queries, migrations."""

from pipeline.records.sql import SqlRecords, sqlite_url

__all__ = ["SqlRecords", "sqlite_url"]
