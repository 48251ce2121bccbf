"""What the API spells of the model's nouns is what the command makes of it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest

from pipeline.model.value import from_value, to_value


@dataclass(frozen=True, kw_only=True, slots=True)
class Noun:
    """With everything that the model's nouns have."""

    authors: tuple[tuple[str, int], ...] = ()
    ways: tuple[tuple[str, ...], ...] = ()
    day: date | None = None
    time: datetime | None = None
    until: date = date(2026, 11, 27)


@pytest.mark.parametrize(
    "noun",
    [
        pytest.param(Noun(authors=(("Anna", 3), ("Bert", 1))), id="pairs"),
        pytest.param(Noun(ways=(("deploy", "unit"), ())), id="tuples of any length"),
        pytest.param(
            Noun(day=None, time=datetime(2026, 11, 27, 9, 0, tzinfo=UTC), until=date(2027, 1, 31)), id="times"
        ),
    ],
)
def test_a_noun_comes_back_as_it_was(noun: Noun) -> None:
    assert from_value(Noun, to_value(noun)) == noun
