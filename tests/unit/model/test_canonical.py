"""The canonical spelling of values: what the plain form gives, however much of it is shared."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.value import canonical, to_value


class Colour(StrEnum):
    """A word."""

    RED = "red"


@dataclass(frozen=True, kw_only=True, slots=True)
class One:
    """A single field."""

    b: object = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Many:
    """Fields that are not written in the order of their names."""

    z: object = None
    a: object = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Nothing:
    """No field."""


def plainly(value: object) -> bytes:
    return json.dumps(
        to_value(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), FINITE, st.text(), st.just(Colour.RED))
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(
        st.lists(below, max_size=4),
        st.lists(below, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=3), below, max_size=4),
        below.map(lambda value: One(b=value)),
        st.tuples(below, below).map(lambda pair: Many(z=pair[0], a=pair[1])),
        below.map(lambda value: [value, {"again": value, "wrapped": (value,)}]),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_the_spelling_is_that_of_the_plain_form(value: Any) -> None:
    text = value if not isinstance(value, str) else [value]
    try:
        expected = plainly(text)
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            canonical(text)
    else:
        assert canonical(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Nothing(), id="no-fields"),
        pytest.param({2: "b", 1: "a"}, id="numbers-as-keys"),
        pytest.param(frozenset({"b", "a"}), id="set"),
        pytest.param([{"t": datetime(2026, 1, 1, tzinfo=UTC)}] * 2, id="time"),
        pytest.param([frozenset({1}), frozenset({2}), {3}, {4}], id="sets-in-a-row"),
        pytest.param({"é": "\u2028", "\x00": '"\\'}, id="letters"),
        pytest.param([True, 1, 1.0, "1"], id="ones"),
    ],
)
def test_unusual_values(value: object) -> None:
    assert canonical(value) == plainly(value)


@pytest.mark.parametrize(
    ("value", "error"),
    [(float("nan"), ValueError), ([float("inf")], ValueError), (object(), TypeError), ({"a": b"x"}, TypeError)],
)
def test_what_json_cannot_hold_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        canonical(value)
