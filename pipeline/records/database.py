"""One database: connections, transactions, and what keeps several processes out of each other's way."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from pipeline.errors import DiskFullError, RecordsError
from pipeline.records.failures import SPACE_HINT, translated
from pipeline.records.filelock import locked

# WAL, so that readers never wait for the writer. In WAL mode `synchronous=NORMAL` cannot corrupt the file and loses
# nothing when a process is killed; a power cut may lose the last transactions, as if the runner had been killed a
# moment earlier, which `resume` mends from the containers. So NORMAL serves all working state without a disk flush per
# stage. A ledger entry is a statement about an environment that has already changed, and nothing could mend it:
# transactions that append one are made with FULL, which flushes before the commit returns (and with it all before).
_WRITING = ("NORMAL", "BEGIN IMMEDIATE")
_DURABLE = ("FULL", "BEGIN IMMEDIATE")
_READING = ("NORMAL", "BEGIN")
_CONNECT = 10
"""Seconds that a new connection to a server may take."""
_LISTEN_FOR = 1.0
"""Seconds between two looks whether anybody still listens."""


class Database:
    """An engine with the transactions that `records` needs. Safe for several threads and processes."""

    def __init__(self, url: str, *, wait: float) -> None:
        """Opens nothing yet; a writer waits `wait` seconds for those of other processes.

        Raises RecordsError for an address that cannot be one.
        """
        self.path = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
        parsed = sa.URL.create("sqlite", database=str(self.path)) if self.path else _server_url(url)
        self.where = str(self.path) if self.path else parsed.render_as_string(hide_password=True)
        with translated(self.where):
            self._engine = sa.create_engine(parsed, connect_args=_how(parsed, wait))
        self._writer: AbstractContextManager[object] = threading.Lock() if self.path else nullcontext()
        if self.path:
            self._prepare_file(self.path)
            sa.event.listen(self._engine, "connect", _connected)
            sa.event.listen(self._engine, "begin", _begun)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database throughout."""
        with translated(self.where), self._begin(_READING, "REPEATABLE READ") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes; one at a time in SQLite."""
        with translated(self.where), self._writer, self._begin(_WRITING, "READ COMMITTED") as connection:
            yield connection

    @contextmanager
    def durable(self) -> Iterator[sa.Connection]:
        """A transaction that writes and is on the disk when it returns."""
        with translated(self.where), self._writer, self._begin(_DURABLE, "READ COMMITTED") as connection:
            yield connection

    @contextmanager
    def at_once(self) -> Iterator[sa.Connection]:
        """For one statement that is its own transaction, on the disk when it returns: PostgreSQL is asked once."""
        if self.path:
            with self.durable() as connection:
                yield connection
            return
        with translated(self.where), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def upgrading(self) -> Iterator[sa.Connection]:
        """A transaction for a change of the schema, by one process at a time."""
        lock = locked(_lock_of(self.path)) if self.path else nullcontext()
        with translated(self.where), lock, self.durable() as connection:
            if not self.path:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(3141592653)"))
            yield connection

    def listen(self, channel: str, heard: Callable[[], None]) -> Callable[[], None]:
        """Call `heard` (from a thread) for each notification of a PostgreSQL server; the function that ends it.

        A connection that breaks is made anew, and `heard` called for what may have been missed.
        """
        over = threading.Event()

        def hear() -> None:
            import psycopg

            while not over.is_set():
                try:
                    with self._listening(channel) as connection:
                        heard()
                        while not over.is_set():
                            if any(True for _ in connection.notifies(timeout=_LISTEN_FOR, stop_after=1)):
                                heard()
                except (psycopg.Error, sa.exc.SQLAlchemyError):  # whoever listens looks by itself as well
                    over.wait(_LISTEN_FOR)

        thread = threading.Thread(target=hear, name="listen", daemon=True)
        thread.start()
        return over.set

    @contextmanager
    def _listening(self, channel: str) -> Iterator[Any]:
        """A connection of its own, which the pool does not miss."""
        held = self._engine.raw_connection()
        connection: Any = held.driver_connection  # asked for before it is detached: afterwards there is none
        held.detach()
        try:
            connection.autocommit = True
            connection.execute(f"LISTEN {channel}")
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """Give connections back."""
        self._engine.dispose()

    @contextmanager
    def _begin(self, sqlite: tuple[str, str], isolation: str) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            chosen = (
                connection.execution_options(ecluse_transaction=sqlite)
                if self.path
                else connection.execution_options(isolation_level=isolation)
            )
            with chosen.begin():
                yield chosen

    def _prepare_file(self, path: Path) -> None:
        """Make the folder, and turn the file to WAL once: the switch does not wait for others by itself."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _is_wal(path):
                return
            with translated(self.where), locked(_lock_of(path)):
                if _is_wal(path):
                    return
                connection = sqlite3.connect(path)
                try:
                    connection.execute("PRAGMA journal_mode=WAL")
                finally:
                    connection.close()
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFullError(f"database {self.where}: no space is left", hint=SPACE_HINT) from error
            raise RecordsError(
                f"database {self.where}: {error.strerror}",
                hint="make its folder writable, or point ECLUSE_HOME to a folder that is",
            ) from error


def _server_url(url: str) -> sa.URL:
    """The address of a PostgreSQL server, with the driver that we know."""
    wrong = RecordsError(
        "the setting 'database' is not an address of SQLite or PostgreSQL",
        hint="write sqlite:////path/to/file.db or postgresql://user:password@host/name",
    )
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise wrong from error
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if not parsed.drivername.startswith("postgresql+"):
        raise wrong
    return parsed


def _how(url: sa.URL, wait: float) -> dict[str, float]:
    """A server that nobody hears is given up after a while, not after the kernel's minutes."""
    if url.drivername == "sqlite":
        return {"timeout": wait}
    return {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT}


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _is_wal(path: Path) -> bool:
    """Asked of SQLite itself: whoever opens the file in another way and closes it again takes all locks away that
    SQLite holds for this process (sqlite.org/howtocorrupt.html, 2.2), and then the next process that leaves takes the
    log of what was written with it."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not path.exists():
        return False
    connection = sqlite3.connect(path)
    try:
        mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.Error:
        return False  # whatever is wrong with this file is said by whoever turns it to WAL
    finally:
        connection.close()
    return mode == "wal"


def _connected(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver's own implicit BEGIN would come too late and be the wrong one
    connection.execute("PRAGMA foreign_keys=ON")


def _begun(connection: sa.Connection) -> None:
    synchronous, begin = connection.get_execution_options().get("ecluse_transaction", _READING)
    connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
    connection.exec_driver_sql(begin)
