"""What the simulated day took: processor time, memory, statements, bytes, rows, and the times of each run."""

from __future__ import annotations

import os
import statistics
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scale_ground import ROLES, Installation

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

Ask = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True, kw_only=True)
class Worked:
    """Seconds of processor time: of a process, and of its children that have ended."""

    own: float
    children: float


@dataclass(frozen=True, kw_only=True)
class Statements:
    """What somebody asked of PostgreSQL."""

    transactions: float
    statements: float
    """Without those that begin and end transactions."""
    rows: float
    written: float
    """Bytes of its log (WAL)."""
    listed: Sequence[tuple[int, float, str]]
    """Calls, milliseconds of all of them, and the text; most calls first."""

    def less(self, rest: Statements, times: float) -> Statements:
        """Without what time alone asks for: so many times what was asked for while nothing happened."""
        return replace(
            self,
            transactions=max(0.0, self.transactions - times * rest.transactions),
            statements=max(0.0, self.statements - times * rest.statements),
            rows=max(0.0, self.rows - times * rest.rows),
            written=max(0.0, self.written - times * rest.written),
        )


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table, or how it grew."""

    name: str
    rows: int
    size: int
    """Bytes with indexes, compact."""


@dataclass(kw_only=True)
class Watch:
    """Looks at the processes once a second, in a thread: their largest memory and most connections."""

    made: Installation
    memory: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    """To PostgreSQL, of processes that make runs."""
    runs: int = 0
    """Under way at that time."""

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        with _asking(self.made) as ask:
            while not self._over.wait(1.0):
                self._round(ask)

    def _round(self, ask: Ask) -> None:
        for name, process in self.made.processes.items():
            try:
                resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * _PAGE
            except (OSError, IndexError):
                continue
            self.memory[name] = max(self.memory.get(name, 0), resident)
        if self.made.postgres is not None:
            count, runs = ask(
                "SELECT (SELECT count(*) FROM pg_stat_activity WHERE usename = 'run'), "
                "(SELECT count(*) FROM work WHERE state = 'taken')"
            )[0]
            if count > self.connections:
                self.connections, self.runs = count, runs


def worked(pid: int) -> Worked:
    """Now."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Worked(own=sum(map(int, words[11:13])) / _TICK, children=sum(map(int, words[13:15])) / _TICK)


def database_worked(made: Installation) -> float:
    """Seconds of processor time of PostgreSQL with all of its processes; 0 for SQLite, whose work is its callers'."""
    if made.postgres is None:
        return 0.0
    with _asking(made) as ask:
        backend = int(ask("SELECT pg_backend_pid()")[0][0])
        server = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
    total = worked(server)
    seconds = total.own + total.children
    for child in Path(f"/proc/{server}/task/{server}/children").read_text().split():
        try:
            seconds += worked(int(child)).own
        except OSError:
            continue
    return seconds


def forget_statements(made: Installation) -> None:
    """Count from here on."""
    if made.postgres is not None:
        _rows(made, "SELECT pg_stat_statements_reset()::text")


def statements(made: Installation) -> Mapping[str, Statements]:
    """By role; nothing for SQLite."""
    if made.postgres is None:
        return {}
    asked = (
        "SELECT u.usename, s.calls, s.rows, s.wal_bytes::bigint, s.total_exec_time, s.query "
        "FROM pg_stat_statements s JOIN pg_user u ON u.usesysid = s.userid ORDER BY s.calls DESC"
    )
    found = {}
    all_of_them = _rows(made, asked)
    for role in ROLES:
        mine = [row for row in all_of_them if row[0] == role]
        ends = sum(row[1] for row in mine if row[5].startswith(("COMMIT", "ROLLBACK")))
        asks = [row for row in mine if not row[5].startswith(("BEGIN", "COMMIT", "ROLLBACK"))]
        found[role] = Statements(
            transactions=ends,
            statements=sum(row[1] for row in asks),
            rows=sum(row[2] for row in asks),
            written=sum(row[3] for row in mine),
            listed=[(row[1], row[4], " ".join(row[5].split())) for row in asks],
        )
    return found


def tables(made: Installation) -> Sequence[Table]:
    """All of them; compacted before, so that what is dead does not count."""
    if made.postgres is None:
        return _tables_of_file(made)
    import psycopg

    with psycopg.connect(made.database["ours"], autocommit=True) as connection:
        connection.execute("VACUUM (FULL, ANALYZE)")
        rows = connection.execute(
            "SELECT relname, n_live_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables"
        ).fetchall()
    return [Table(name=name, rows=live, size=size) for name, live, size in rows]


def grown(before: Sequence[Table], after: Sequence[Table]) -> Sequence[Table]:
    """By how much each that grew has grown, that first which grew most."""
    known = {table.name: table for table in before}
    found = [
        Table(name=table.name, rows=table.rows - known[table.name].rows, size=table.size - known[table.name].size)
        for table in after
    ]
    return sorted((table for table in found if table.size > 0 and table.rows > 0), key=lambda table: -table.size)


def _tables_of_file(made: Installation) -> Sequence[Table]:
    import sqlite3

    made.app.records.glance(limit=1)  # whoever reads folds what runs have left
    connection = sqlite3.connect(made.home / "records.db")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        counts = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608 - names of our own
        owners = dict(connection.execute("SELECT name, tbl_name FROM sqlite_schema"))
        sizes: dict[str, int] = {}
        for name, size in connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"):
            table = owners.get(name, name)
            sizes[table] = sizes.get(table, 0) + size
    finally:
        connection.close()
    return [Table(name=name, rows=rows, size=sizes.get(name, 0)) for name, rows in counts.items()]


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def quantile(values: Sequence[float], part: float) -> float:
    """Of values in any order; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def mean(values: Sequence[float]) -> float:
    """0 where there are none."""
    return statistics.fmean(values) if values else 0.0


@contextmanager
def _asking(made: Installation) -> Iterator[Ask]:
    """A connection that is kept: making one is no small thing for PostgreSQL."""
    if made.postgres is None:
        yield lambda _: []
        return
    import psycopg

    with psycopg.connect(made.database["ours"], autocommit=True) as connection:
        yield lambda asked: connection.execute(asked.encode()).fetchall()


def _rows(made: Installation, asked: str) -> list[tuple[Any, ...]]:
    with _asking(made) as ask:
        return ask(asked)
