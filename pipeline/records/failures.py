"""What a database may answer, in the words of `pipeline.errors`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from pipeline.errors import DiskFullError, EcluseError, RecordsError

SPACE_HINT = "free some space (`ecluse gc` removes what runs left behind)"

_SQLITE_HINTS = {
    "SQLITE_BUSY": "another process holds the database: end it or try again when it is done",
    "SQLITE_LOCKED": "another process holds the database: end it or try again when it is done",
    "SQLITE_CORRUPT": "move the file (and its -wal and -shm) away, or put a backup in its place",
    "SQLITE_NOTADB": "this file is something else: move it away, or name another one in the setting 'database'",
    "SQLITE_READONLY": "make the file and its folder writable, or point ECLUSE_HOME to a folder that is",
    "SQLITE_CANTOPEN": "make its folder writable, or point ECLUSE_HOME to a folder that is",
    "SQLITE_PERM": "make the file and its folder writable, or point ECLUSE_HOME to a folder that is",
    "SQLITE_IOERR": "look at the disk: free space, quota, and the kernel's log",
}
"""By the first two parts of SQLite's error name."""

_POSTGRES_HINTS = {
    "08": "check that the server runs and that the setting 'database' names it",
    "28": "check the user and the password in the setting 'database'",
    "3D": "create the database, or correct its name in the setting 'database'",
    "42": "give this user the right to create and use tables in the database",
    "55": "another process holds the database: try again when it is done",
    "57": "the server ended the connection: try again",
}
"""By the class of the SQLSTATE."""

_CONNECTING = (("password", "28"), ("no pg_hba.conf entry", "28"), ("does not exist", "3D"), ("starting up", "57"))
"""Words of a server that refuses a connection, for which drivers have no SQLSTATE, and its class."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what SQLAlchemy, a driver or the file system raises into DiskFullError or RecordsError."""
    try:
        yield
    except EcluseError:
        raise
    except sa.exc.DBAPIError as error:
        raise of_driver(error.orig, where) from error
    except sqlite3.Error as error:
        raise of_driver(error, where) from error
    except sa.exc.SQLAlchemyError as error:
        raise RecordsError(f"database {where}: {error}") from error
    except ModuleNotFoundError as error:
        raise RecordsError(
            f"database {where}: the driver '{error.name}' is not installed", hint="pip install 'ecluse[postgres]'"
        ) from error


def of_driver(error: BaseException | None, where: str) -> EcluseError:
    """What a driver raised, as DiskFullError or RecordsError."""
    text = " ".join(str(error).split())
    name = str(getattr(error, "sqlite_errorname", ""))
    state = str(getattr(error, "sqlstate", "") or "")
    if name.startswith("SQLITE_FULL") or state == "53100":
        return DiskFullError(f"database {where}: no space is left", hint=SPACE_HINT)
    if name:
        return RecordsError(f"database {where}: {text}", hint=_SQLITE_HINTS.get("_".join(name.split("_")[:2]), ""))
    known = state[:2] or next((kind for words, kind in _CONNECTING if words in text), "08")
    hint = _POSTGRES_HINTS.get(known)
    return RecordsError(f"database {where}: {text}", hint=hint or "")
