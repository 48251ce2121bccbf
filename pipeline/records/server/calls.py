"""Who wants to hear that the queue has changed: within this process, and across machines where PostgreSQL tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from pipeline.records.database import Database

CHANNEL = "ecluse_work"


@dataclass(slots=True)
class _Line:
    """The listeners of one database, and what ends the thread that hears for them."""

    listeners: list[Callable[[], None]] = field(default_factory=list)
    end: Callable[[], None] | None = None


class Calls:
    """Listeners by database; safe for several threads."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()

    def listen(self, database: Database, heard: Callable[[], None]) -> Callable[[], None]:
        """Call `heard` when the queue of that database has changed; the function that ends it."""
        with self._lock:
            line = self._lines.setdefault(database.where, _Line())
            line.listeners.append(heard)
            if line.end is None and not database.path:
                line.end = database.listen(CHANNEL, lambda: self.tell(database))

        def end() -> None:
            with self._lock:
                line.listeners.remove(heard)
                stop = line.end if not line.listeners else None
                line.end = None if stop else line.end
            if stop is not None:
                stop()

        return end

    def tell(self, database: Database) -> None:
        """Tell those of this process."""
        with self._lock:
            line = self._lines.get(database.where)
            listeners = tuple(line.listeners) if line is not None else ()
        for heard in listeners:
            heard()


CALLS = Calls()
"""Of this process."""


def notify(connection: sa.Connection) -> None:
    """Tell the other processes, once this transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))
