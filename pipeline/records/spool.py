"""The quick way into a SQLite database: what a run writes goes into one table, without SQLAlchemy.

Importing SQLAlchemy and its tables costs more than starting a container. So a process that only writes a run puts each
step as JSON into the table `spool` of the same file; whoever opens the database to read folds it into its tables first,
in one transaction (`folding.py`). The number of a run is counted here and there by the same counter.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pipeline.errors import DiskFullError, RecordsError
from pipeline.model.plan import Plan
from pipeline.model.run import Run, StageRun
from pipeline.model.status import Conclusion, RunState
from pipeline.model.value import Value, to_value
from pipeline.records.revisions import REVISIONS

_COUNT = (
    "INSERT INTO counters (repository, last) VALUES (?, 1) "
    "ON CONFLICT (repository) DO UPDATE SET last = last + 1 RETURNING last"
)
_KNOWN = "SELECT 1 FROM runs WHERE id = ?1 UNION ALL SELECT 1 FROM spool WHERE run = ?1 LIMIT 1"
_PUT = "INSERT INTO spool (run, body) VALUES (?, ?)"


class Spool:
    """Takes what a run writes. Safe for several threads and processes; every method is one transaction.

    Errors that may leave: RecordsError, DiskFullError.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()
        self._mine: set[str] = set()

    @classmethod
    def open(cls, path: Path, *, wait: float) -> Spool | None:
        """The spool of a database; None where there is no database yet, or not of this program's schema.

        `wait`: seconds that a writer waits for others.
        """
        if not path.exists():
            return None
        try:
            connection = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
        except sqlite3.Error:
            return None
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error:
            row = None  # whatever is wrong with this file is said by whoever opens it in full
        if row is None or row[0] != REVISIONS[-1]:
            connection.close()
            return None
        return cls(connection, path)

    def knows(self, run: str) -> bool:
        """Whether this run is recorded, here or in the tables."""
        if run in self._mine:
            return True
        with self._transaction("NORMAL"):
            known = self._connection.execute(_KNOWN, (run,)).fetchone() is not None
        if known:
            self._mine.add(run)
        return known

    def create_run(self, run: Run, plan: Plan) -> int:
        """Store a new run with its plan; its number."""
        with self._transaction("NORMAL"):
            if self._connection.execute(_KNOWN, (run.id,)).fetchone() is not None:
                raise RecordsError(f"run {run.id} is already recorded")
            number = int(self._connection.execute(_COUNT, (storable(run.repository),)).fetchone()[0])
            self._put(run.id, {"create_run": to_value(run), "plan": plan.to_json(), "number": number})
        self._mine.add(run.id)
        return number

    def update_run(
        self, run: str, *, state: RunState, conclusion: Conclusion | None, finished: datetime | None
    ) -> None:
        """Move a run on."""
        with self._transaction("NORMAL"):
            moved = {"state": state, "conclusion": conclusion, "finished": finished}
            self._put(run, {"update_run": to_value(moved)})

    def save_plan(self, run: str, plan: Plan, *, stages: Sequence[StageRun]) -> None:
        """Replace the plan of a run, and store stages with it."""
        with self._transaction("NORMAL"):
            self._put(run, {"save_plan": plan.to_json(), "stages": to_value(stages)})

    def save_stage(self, run: str, stage: StageRun, *, durable: bool) -> None:
        """Replace what is known of a stage."""
        with self._transaction("FULL" if durable else "NORMAL"):
            self._put(run, {"save_stage": to_value(stage)})

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._connection.close()

    def _put(self, run: str, body: Value) -> None:
        self._connection.execute(_PUT, (run, json.dumps(body, separators=(",", ":"))))

    @contextmanager
    def _transaction(self, synchronous: str) -> Iterator[None]:
        with self._lock:
            try:
                self._connection.execute(f"PRAGMA synchronous={synchronous}")
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise _translated(error, self._path) from error


def storable(text: str) -> str:
    """The text with what no database can hold (NUL, lone surrogates) replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "�")


def _translated(error: sqlite3.Error, path: Path) -> RecordsError | DiskFullError:
    from pipeline.records.failures import of_driver

    found = of_driver(error, str(path))
    return found if isinstance(found, RecordsError | DiskFullError) else RecordsError(str(found))
