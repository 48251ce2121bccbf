"""Column types that keep the same value in SQLite and PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from pipeline.model.ledger import spelled
from pipeline.model.value import to_value
from pipeline.records.spool import storable

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class Words(sa.TypeDecorator[str]):
    """Text of any origin: NUL (which PostgreSQL refuses) and lone surrogates become U+FFFD."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """What is stored."""
        del dialect
        return None if value is None else storable(str(value))


class Choice(sa.TypeDecorator[StrEnum]):
    """A member of an enum, stored by its value."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, members: type[StrEnum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: StrEnum | None, dialect: sa.Dialect) -> str | None:
        """What is stored."""
        del dialect
        return None if value is None else str(value.value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> StrEnum | None:
        """The member again."""
        del dialect
        return None if value is None else self.members(value)


class Instant(sa.TypeDecorator[datetime]):
    """An aware time, stored as UTC text of fixed width, so that it sorts as text and keeps its microseconds."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        """What is stored; a naive time is a mistake of the caller."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC).strftime(_FORMAT)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:
        """The time again, in UTC."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


class Spelled(sa.TypeDecorator[Any]):
    """What an entry of the ledger says, in the spelling that its hash covers."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """What is stored: canonical JSON, all of which the ledger has made fit for both databases."""
        del dialect
        return None if value is None else spelled(value).decode()

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """The value again."""
        del dialect
        return None if value is None else json.loads(value)


class Document(sa.TypeDecorator[Any]):
    """A JSON value as text: the same in both databases, and never reordered by one of them."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: sa.Dialect) -> str | None:
        """What is stored; pure ASCII, so that no text of others can break it."""
        del dialect
        return None if value is None else json.dumps(to_value(value), separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """The value again."""
        del dialect
        return None if value is None else json.loads(value)
