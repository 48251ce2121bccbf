"""What an entry says is what was meant, for whatever a noun may hold: a field that is added later included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecordsError
from pipeline.model.decision import Approval, Block
from pipeline.model.ledger import seal
from pipeline.model.release import LedgerEntry, Promotion, Release
from pipeline.model.value import Value, to_value
from pipeline.records import tables as t
from pipeline.records.projection import Projection, rows_of
from pipeline.records.rows import plain

NOUNS = {"release": Release, "promotion": Promotion, "approval": Approval, "block": Block}
TABLES = {"release": t.releases, "promotion": t.promotions, "approval": t.approvals, "block": t.blocks}
TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SIMPLE: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=5),
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False),
    datetime: TIMES,
    NoneType: st.none(),
}


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Anything of a type, as the fields of nouns have them."""
    if hint in SIMPLE:
        return SIMPLE[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of(*map(of, arguments))
    if origin is tuple:
        return st.lists(of(arguments[0]), max_size=3).map(tuple)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(of(arguments[0]), of(arguments[1]), max_size=3)
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    hints = get_type_hints(hint)
    return st.builds(hint, **{field.name: of(hints[field.name]) for field in fields(hint)})


def entry(data: Mapping[str, Value]) -> LedgerEntry:
    return seal(None, time=datetime(2026, 1, 1, tzinfo=UTC), actor="", action="", subject="", reason="", data=data)


@pytest.mark.parametrize("name", NOUNS)
@given(data=st.data())
def test_a_noun_comes_back_from_its_entry_as_it_was(name: str, data: st.DataObject) -> None:
    noun = data.draw(of(NOUNS[name]))
    told = entry({name: to_value(noun)})
    expected = plain(noun) | ({"id": noun.id} if name == "release" else {})
    assert rows_of(told) == [(TABLES[name], expected)]
    projection = Projection()
    projection.add(1, told.data)
    assert projection.rows(TABLES[name]) == [expected]


@pytest.mark.parametrize("name", NOUNS)
@pytest.mark.parametrize("told", [{}, {"id": 7}, {"images": "x", "measurements": 3, "gap": "much"}])
def test_what_cannot_be_read_is_said_with_its_place(name: str, told: dict[str, Any]) -> None:
    with pytest.raises(RecordsError, match="entry 1 of the ledger cannot be read"):
        rows_of(entry({name: told}))
