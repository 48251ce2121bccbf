"""A database with its schema, made once for each process of the tests: a copy takes a tenth of the migrations' time."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from pipeline.records import SqlRecords, sqlite_url


def prepared_records(home: Path) -> str:
    """The address of an empty database under `home`; of the one that is there, if there is one."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "records.db").exists():
        shutil.copy(_template(), home / "records.db")
    return sqlite_url(home)


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ecluse-records-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    records = SqlRecords(sqlite_url(folder))
    records.outlines()
    records.close()
    return folder / "records.db"
