"""The canonical JSON of what others have to check is that of RFC 8785, as a library of somebody else spells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.model.ledger import EXACT, entry_hash, seal, spelled, spelled_entry
from pipeline.model.release import LedgerEntry
from pipeline.model.value import canonical, to_value

LETTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from('"\\/\b\f\n\r\t\0\x1f\x7f\x80é\u2028\ud7ff\ue000\ufffd\uffff😀\U0010ffff'),
)
"""With what is escaped, and what UTF-16 and code points sort differently."""
WORDS = st.text(LETTERS, max_size=4)
INTEGERS = st.integers(-EXACT, EXACT)


def values(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda below: st.lists(below, max_size=4) | st.dictionaries(WORDS, below, max_size=5),
        max_leaves=15,
    )


WHOLE = values(st.one_of(st.none(), st.booleans(), INTEGERS, WORDS))
ANY = values(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS))
TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(WHOLE)
@example({"\ue000": 1, "😀": 2, "é": 3, "": 4})
def test_canonical_json_is_that_of_the_standard(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(WORDS, WHOLE, max_size=5))
@example({"\ue000": {"\uffff": 1, "😀": 2}, "😀": 2})
def test_the_quick_way_gives_the_same(value: dict[str, Any]) -> None:
    assert spelled(value) == rfc8785.dumps(value)


@given(st.dictionaries(WORDS, ANY, max_size=4), TIMES, WORDS, WORDS)
@example(
    {"gap": 0.1, "much": 2**53, "less": -(2**60), "not": float("nan"), "on": float("inf")}, datetime.now(UTC), "", ""
)
def test_an_entry_of_whatever_data_is_hashed_as_the_standard_spells_it(
    data: dict[str, Any], time: datetime, actor: str, reason: str
) -> None:
    entry = seal(None, time=time, actor=actor, action="x", subject="y", reason=reason, data=data)
    whole = to_value(entry)
    assert isinstance(whole, dict)
    assert spelled_entry(entry) == rfc8785.dumps(whole)
    del whole["hash"]
    assert entry.hash == _sha256(rfc8785.dumps(whole)) == entry_hash(entry)


def _sha256(text: bytes) -> str:
    from hashlib import sha256

    return sha256(text).hexdigest()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": float("nan")}, id="not a number"),
        pytest.param({"a": float("inf")}, id="infinite"),
        pytest.param({"a": "\udc80"}, id="half a letter"),
        pytest.param({"a": b"x"}, id="bytes"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        spelled(value)


def test_a_mapping_of_another_kind_is_spelled_too() -> None:
    from types import MappingProxyType

    entry = LedgerEntry(
        seq=1,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        actor="",
        action="",
        subject="",
        reason="",
        data=MappingProxyType({"a": ("b",)}),
        previous="",
        hash="",
    )
    assert b'"data":{"a":["b"]}' in spelled_entry(entry)
