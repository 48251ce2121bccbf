"""Where items and orders are kept: PostgreSQL by DATABASE_URL, else an SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS items (name TEXT PRIMARY KEY, cents INTEGER NOT NULL, stock INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS orders (item TEXT NOT NULL, count INTEGER NOT NULL, cents INTEGER NOT NULL)",
)
FIRST_ITEMS = (("apple", 40, 100), ("pear", 55, 60), ("plum", 25, 0))


class OutOfStockError(Exception):
    """There are not enough of an item."""


class UnknownItemError(Exception):
    """There is no such item."""


class Store:
    """Items with a price and a stock, and the orders for them. Safe for several threads."""

    def __init__(self, url: str) -> None:
        self._postgres = url.startswith(("postgres://", "postgresql://"))
        self._url = url
        self._lock = threading.Lock()
        self._kept: Any = None
        with self._transaction() as cursor:
            for statement in SCHEMA:
                cursor.execute(statement)
            cursor.execute("SELECT count(*) FROM items")
            if cursor.fetchone()[0] == 0:
                for item in FIRST_ITEMS:
                    cursor.execute(self._sql("INSERT INTO items VALUES (?, ?, ?)"), item)

    def items(self) -> list[dict[str, Any]]:
        """All items by name."""
        with self._transaction() as cursor:
            cursor.execute("SELECT name, cents, stock FROM items ORDER BY name")
            return [{"name": name, "cents": cents, "stock": stock} for name, cents, stock in cursor.fetchall()]

    def order(self, item: str, count: int) -> int:
        """Take `count` of an item out of stock; the price in cents."""
        with self._transaction() as cursor:
            cursor.execute(
                self._sql("UPDATE items SET stock = stock - ? WHERE name = ? AND stock >= ?"), (count, item, count)
            )
            taken = cursor.rowcount
            cursor.execute(self._sql("SELECT cents FROM items WHERE name = ?"), (item,))
            row = cursor.fetchone()
            if row is None:
                raise UnknownItemError(item)
            if not taken:
                raise OutOfStockError(item)
            cents = row[0] * count
            cursor.execute(self._sql("INSERT INTO orders VALUES (?, ?, ?)"), (item, count, cents))
            return cents

    def answers(self) -> bool:
        """Whether the database answers."""
        with self._transaction() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone() is not None

    def clear(self) -> None:
        """Back to the first items; for tests."""
        with self._transaction() as cursor:
            cursor.execute("DELETE FROM orders")
            cursor.execute("DELETE FROM items")
            for item in FIRST_ITEMS:
                cursor.execute(self._sql("INSERT INTO items VALUES (?, ?, ?)"), item)

    def _sql(self, text: str) -> str:
        return text.replace("?", "%s") if self._postgres else text

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._lock:
            connection = self._connection()
            try:
                cursor = connection.cursor()
                yield cursor
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def _connection(self) -> Any:
        if self._kept is None or (self._postgres and self._kept.closed):
            if self._postgres:
                import psycopg

                self._kept = psycopg.connect(self._url)
            else:
                path = self._url.removeprefix("sqlite:///") or ":memory:"
                self._kept = sqlite3.connect(path, check_same_thread=False)
        return self._kept
