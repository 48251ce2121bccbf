"""Groups in which only one run or stage is at a time, over all machines that share a database."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.errors import CancelledError, EcluseError
from pipeline.model.definition import ConcurrencyPolicy, ConcurrencyRule
from pipeline.model.ulid import ulid
from pipeline.ports.cancellation import Cancellation
from pipeline.records import server_tables as t
from pipeline.records.database import Database
from pipeline.records.lease_records import now_of
from pipeline.records.server.calls import CALLS, notify

_LOOK_EVERY = 5.0
"""Seconds between two looks at the line, where nothing tells of a change: somebody may have died."""
_PARTS = 3
"""A place is renewed so many times before it would run out."""


class SqlGroups:
    """Implements `pipeline.ports.concurrency.Groups` in rows: a number in the line, good for `lease` seconds.

    Whoever comes takes the next number, and is in when no living place has a smaller one. A place whose process has
    died runs out, and is removed by the next who looks; who finds its place removed is told to stop. Whoever takes a
    run over takes its place over.
    """

    def __init__(self, database: Callable[[], Database], *, lease: float) -> None:
        self._database = database
        self._lease = lease

    def enter(
        self,
        rule: ConcurrencyRule,
        *,
        repository: str,
        holder: str,
        waiting: Callable[[str], None],
        cancel: Cancellation,
    ) -> GroupPlace:
        """Wait until the group is ours; see the port for the policies."""
        cancel.check()
        database = self._database()
        group = hashlib.sha256(f"{repository}\0{rule.group}".encode()).hexdigest()
        place = GroupPlace(database, self._line_up(database, group, rule, holder), rule.group, self._lease, cancel)
        try:
            told: set[str] = set()
            while True:
                place.changed.clear()
                before = place.before(group)
                cancel.check()
                if not before:
                    return place
                if before[0].holder not in told:
                    told.add(before[0].holder)
                    waiting(before[0].holder)
                with cancel.calling(place.changed.set):
                    place.changed.wait(min(_LOOK_EVERY, self._lease / _PARTS))
        except BaseException:
            place.leave()
            raise

    def _line_up(self, database: Database, group: str, rule: ConcurrencyRule, holder: str) -> str:
        """The id of our place behind those that are there; CancelledError with `cancel_newer` where there is one."""
        places = t.places.c
        with database.durable() as connection:
            now = _alone(connection, group)
            living = _living(connection, group, now)
            mine = [row for row in living if row.holder == holder]
            others = [row for row in living if row.holder != holder]
            if others and not mine and rule.policy is ConcurrencyPolicy.CANCEL_NEWER:
                raise CancelledError(f"group '{rule.group}' is taken by {others[0].holder}")
            number = mine[0].number if mine else max((row.number for row in living), default=0) + 1
            if mine:
                connection.execute(t.places.delete().where(places.id.in_([row.id for row in mine])))
            made = ulid(now, os.urandom(10))
            expires = now + timedelta(seconds=self._lease)
            values = {"id": made, "group": group, "number": number, "holder": holder, "expires": expires, "cancel": ""}
            connection.execute(t.places.insert().values(**values))
            if rule.policy is ConcurrencyPolicy.CANCEL_OLDER:
                older = t.places.update().where(places.group == group, places.number < number, places.cancel == "")
                connection.execute(older.values(cancel=f"superseded by {holder}"))
            notify(connection)
        CALLS.tell(database)
        return made


class GroupPlace:
    """A place in a group or in its line, renewed by a thread until `leave` or the end of the process."""

    def __init__(self, database: Database, place: str, group: str, lease: float, cancel: Cancellation) -> None:
        self._database = database
        self._place = place
        self._group = group
        self._lease = lease
        self._cancel = cancel
        self._left = threading.Event()
        self._soon = threading.Event()
        self.changed = threading.Event()
        """Set when the line may have changed."""
        self._end = CALLS.listen(database, self._heard)
        self._thread = threading.Thread(target=self._keep, name="group", daemon=True)
        self._thread.start()

    def before(self, group: str) -> Sequence[sa.Row[Any]]:
        """Those that are before us; nobody who has died."""
        with self._database.writing() as connection:
            living = _living(connection, group, _alone(connection, group))
        number = next((row.number for row in living if row.id == self._place), None)
        if number is None:
            self._cancel.cancel(self._lost)
        return [row for row in living if number is not None and row.number < number]

    def leave(self) -> None:
        """Give it up; idempotent."""
        if self._left.is_set():
            return
        self._left.set()
        self._soon.set()
        self._end()
        self._thread.join()
        try:
            with self._database.writing() as connection:
                connection.execute(t.places.delete().where(t.places.c.id == self._place))
                notify(connection)
            CALLS.tell(self._database)
        except EcluseError:
            pass  # it runs out by itself

    @property
    def _lost(self) -> str:
        return f"its place in group '{self._group}' is lost"

    def _heard(self) -> None:
        self.changed.set()
        self._soon.set()

    def _keep(self) -> None:
        """Renew in time, and hear who wants us to give way."""
        renewed = time.monotonic()
        while not self._left.is_set():
            begun = time.monotonic()
            try:
                wish = self._renewed()
            except EcluseError:
                wish = self._lost if begun - renewed >= self._lease else ""
            else:
                renewed = begun
            if wish:
                self._cancel.cancel(wish)
            self._soon.wait(min(_LOOK_EVERY, self._lease / _PARTS))
            self._soon.clear()

    def _renewed(self) -> str:
        """Why we are to stop; "" = nobody wants it."""
        places = t.places.c
        with self._database.writing() as connection:
            expires = _now(connection) + timedelta(seconds=self._lease)
            mine = t.places.update().where(places.id == self._place).values(expires=expires)
            wish: str | None = connection.execute(mine.returning(places.cancel)).scalar()
        return self._lost if wish is None else wish


def _alone(connection: sa.Connection, group: str) -> datetime:
    """Nobody else changes this group's line until the transaction ends; now."""
    if connection.dialect.name == "postgresql":
        key = int(group[:15], 16)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    return _now(connection)


def _now(connection: sa.Connection) -> datetime:
    return now_of(connection) if connection.dialect.name == "postgresql" else datetime.now(UTC)


def _living(connection: sa.Connection, group: str, now: datetime) -> Sequence[sa.Row[Any]]:
    """The line without those who have died, whose places are gone then."""
    places = t.places.c
    connection.execute(t.places.delete().where(places.group == group, places.expires <= now))
    return connection.execute(sa.select(t.places).where(places.group == group).order_by(places.number)).all()
