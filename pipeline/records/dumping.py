"""A PostgreSQL database as one file and back, by PostgreSQL's own `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from pipeline.errors import DiskFullError, RecordsError, RefusedError
from pipeline.records.database import Database

_PACKAGE = "install PostgreSQL's client programs (Debian: postgresql-client) of the server's version or newer"
_OTHERS = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'"


def dump(address: str, file: Path) -> None:
    """Write one state of the database, as it is now, while others write. RecordsError says why it cannot."""
    database = Database(address, wait=30)
    try:
        _check_version("pg_dump", database)
    finally:
        database.close()
    words = ("--format=custom", "--no-owner", "--no-privileges", f"--file={file}")
    _run("pg_dump", address, words, database.where)


def check_empty(address: str) -> None:
    """RefusedError where anything is in the database, RecordsError where a dump could not be put back."""
    database = Database(address, wait=30)
    try:
        _check_version("pg_restore", database)
        with database.reading() as connection:
            if connection.exec_driver_sql(_OTHERS).scalar():
                raise RefusedError(
                    f"database {database.where} is not empty",
                    hint="create a new one and name it in the setting 'database': nothing is overwritten",
                )
    finally:
        database.close()


def put_back(address: str, file: Path) -> None:
    """Fill an empty database with what `dump` wrote: all of it or nothing."""
    words = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
    where = Database(address, wait=30).where
    _run("pg_restore", address, (*words, *_target(address)), where, (str(file),))


def _check_version(program: str, database: Database) -> None:
    """A program that is older than the server could leave out what it does not know."""
    with database.reading() as connection:
        server = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10000
    path = shutil.which(program)
    if path is None:
        raise RecordsError(f"{program} is not on the PATH, and the database is one of PostgreSQL", hint=_PACKAGE)
    said = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)(?:\.\d+)?", said.stdout)
    if said.returncode or found is None:
        raise RecordsError(f"{path} does not work: {' '.join(said.stderr.split())[:200]}", hint=_PACKAGE)
    if int(found[1]) < server:
        raise RecordsError(f"{path} is of PostgreSQL {found[1]}, and the server is of {server}", hint=_PACKAGE)


def _run(program: str, address: str, words: Sequence[str], where: str, last: Sequence[str] = ()) -> None:
    done = subprocess.run(
        [program, "--no-password", *words, *(_target(address) if program == "pg_dump" else ()), *last],
        env=_environment(address),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return
    text = " ".join(done.stderr.split())[-500:]
    if "No space left" in text:
        raise DiskFullError(f"no space is left for {program}'s file", hint="make room where the backup is written")
    raise RecordsError(f"{program} of database {where}: {text or 'it said nothing'}", hint="see what it said")


def _target(address: str) -> tuple[str, ...]:
    """The address without its password, which a list of processes would show."""
    url = _url(address)
    query = {name: value for name, value in url.query.items() if name != "password"}
    plain = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, query)
    return (f"--dbname={plain.render_as_string(hide_password=False)}",)


def _environment(address: str) -> Mapping[str, str]:
    url = _url(address)
    word = url.password or url.query.get("password")
    return {**os.environ, "PGAPPNAME": "ecluse", **({"PGPASSWORD": str(word)} if word else {})}


def _url(address: str) -> sa.URL:
    return make_url(address).set(drivername="postgresql")
