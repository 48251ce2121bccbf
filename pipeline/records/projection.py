"""What an entry of the ledger says about releases, promotions, approvals and blocks, as rows of their tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from pipeline.errors import RecordsError
from pipeline.model.decision import Approval, Block
from pipeline.model.release import LedgerEntry, Promotion, Release
from pipeline.model.value import Value, from_value
from pipeline.records import tables as t
from pipeline.records.rows import plain

Told = Mapping[str, Any]

DERIVED: Final = (t.releases, t.promotions, t.approvals, t.blocks)
"""The tables that are projections, in the order in which they may be filled."""

_NAMES: Final[Mapping[str, sa.Table]] = {
    "release": t.releases,
    "promotion": t.promotions,
    "approval": t.approvals,
    "block": t.blocks,
}
"""Under which name of an entry's data each table's row is told, a mapping of the noun's fields."""
_FRACTIONS = ("seconds", "value", "baseline")
"""Numbers of a measurement."""


def refuse_derived(data: Mapping[str, Value]) -> None:
    """ValueError where the data of an entry would change a derived table."""
    for name in _NAMES.keys() & data.keys():
        if isinstance(data[name], Mapping):
            wrong = f"'{name}' of a ledger entry is what a table is derived from: write its id only"
            raise ValueError(wrong)  # noqa: TRY004 - a value of the right type in the wrong place


def rows_of(entry: LedgerEntry) -> Sequence[tuple[sa.Table, dict[str, Any]]]:
    """The rows that an entry says something about, in an order that foreign keys allow."""
    return [(table, _row(entry.seq, table, told)) for table, told in _told(entry.data)]


class Projection:
    """All derived tables as they stand behind the entries that were added, in order."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Any, tuple[int, Told]]] = {table.name: {} for table in DERIVED}

    def add(self, seq: int, data: Mapping[str, Value]) -> None:
        """Take what one entry says."""
        for table, told in _told(data):
            rows = self._rows[table.name]
            with _readable(seq):
                if table is t.releases:
                    rows.setdefault(_bytes_of(told), (seq, told))
                else:
                    rows[_key(table, told)] = (seq, told)

    def rows(self, table: sa.Table) -> Sequence[dict[str, Any]]:
        """The rows of a table."""
        return [_row(seq, table, told) for seq, told in self._rows[table.name].values()]


def _told(data: Mapping[str, Value]) -> Iterator[tuple[sa.Table, Told]]:
    for name, table in _NAMES.items():
        told = data.get(name)
        if isinstance(told, Mapping):
            yield table, told


def _key(table: sa.Table, told: Told) -> object:
    """What a later entry replaces: the same id, or a person's answer to the same plan."""
    return (told["promotion"], told["plan"], told["person"]) if table is t.approvals else told["id"]


def _bytes_of(told: Told) -> object:
    """What makes a release what it is, as in the digest that is its id."""
    return (told["repository"], told["commit"], tuple(sorted(told["images"].items())), told["pipeline_digest"])


def _row(seq: int, table: sa.Table, told: Told) -> dict[str, Any]:
    with _readable(seq):
        if table is t.releases:
            release = from_value(Release, told)
            return plain(release) | {"id": release.id}
        if table is t.promotions:
            return plain(from_value(Promotion, _with_fractions(told)))
        return plain(from_value(Approval if table is t.approvals else Block, told))


@contextmanager
def _readable(seq: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordsError(
            f"entry {seq} of the ledger cannot be read: {error}", hint="a newer ecluse wrote it: install that version"
        ) from error


def _with_fractions(told: Told) -> Told:
    """A promotion with its numbers again: the ledger keeps fractions as text."""
    gap = told.get("gap")
    measurements = [
        {**item, **{name: float(item[name]) for name in _FRACTIONS if item.get(name) is not None}}
        for item in told.get("measurements", ())
    ]
    return {**told, "gap": None if gap is None else float(gap), "measurements": measurements}
