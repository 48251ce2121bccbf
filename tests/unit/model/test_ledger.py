"""The ledger's chain shows every alteration."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.ledger import GENESIS, seal, verify
from pipeline.model.release import LedgerEntry
from pipeline.model.value import Value

WORDS = st.text(max_size=8)
DATA = st.dictionaries(
    WORDS, st.one_of(st.none(), st.booleans(), st.integers(), WORDS, st.lists(WORDS, max_size=2)), max_size=3
)
TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def chains(draw: st.DrawFn, *, least: int = 1) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for _ in range(draw(st.integers(least, 6))):
        entries.append(
            seal(
                entries[-1] if entries else None,
                time=draw(TIMES),
                actor=draw(WORDS),
                action=draw(WORDS),
                subject=draw(WORDS),
                reason=draw(WORDS),
                data=draw(DATA),
            )
        )
    return entries


def first(data: dict[str, Value]) -> LedgerEntry:
    return seal(
        None,
        time=datetime(2026, 11, 23, 12, tzinfo=UTC),
        actor="anna",
        action="deployed",
        subject="dev",
        reason="",
        data=data,
    )


def test_the_hash_is_that_of_the_canonical_entry_written_down_by_hand() -> None:
    entry = first({"release": "é"})
    text = (
        '{"action":"deployed","actor":"anna","data":{"release":"é"},"previous":"' + "0" * 64 + '","reason":"",'
        '"seq":1,"subject":"dev","time":"2026-11-23T12:00:00+00:00"}'
    )
    assert entry.hash == sha256(text.encode()).hexdigest()
    assert entry.previous == GENESIS


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(0.1, "0.1", id="fraction"),
        pytest.param(1e-7, "1e-07", id="tiny fraction"),
        pytest.param(3.0, 3, id="whole float"),
        pytest.param([1.5, {"a": 2.5}], ["1.5", {"a": "2.5"}], id="nested"),
        pytest.param(True, True, id="bool"),
        pytest.param(None, None, id="none"),
    ],
)
def test_no_float_reaches_the_hash(value: Value, kept: Value) -> None:
    assert first({"x": value}).data == {"x": kept}


def test_times_are_kept_in_utc() -> None:
    paris = datetime(2026, 11, 23, 13, tzinfo=timezone(timedelta(hours=1)))
    entry = seal(None, time=paris, actor="", action="", subject="", reason="", data={})
    assert entry.time.utcoffset() == timedelta(0)
    assert entry.time == paris


@given(chains())
def test_an_untouched_chain_holds_also_in_parts(chain: list[LedgerEntry]) -> None:
    assert verify(chain) is None
    assert verify(chain, head=chain[-1].hash) is None
    assert verify(chain[1:], previous=chain[0]) is None


@given(chains(), st.data())
def test_an_altered_entry_is_found(chain: list[LedgerEntry], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(chain) - 1))
    entry = chain[index]
    changed = data.draw(
        st.sampled_from(
            [
                replace(entry, actor=entry.actor + "x"),
                replace(entry, action=entry.action + "x"),
                replace(entry, subject=entry.subject + "x"),
                replace(entry, reason=entry.reason + "x"),
                replace(entry, time=entry.time + timedelta(microseconds=1)),
                replace(entry, data={**entry.data, "added": 1}),
                replace(entry, seq=entry.seq + 1),
                replace(entry, previous="f" * 64),
                replace(entry, hash="f" * 64),
            ]
        )
    )
    assert verify([*chain[:index], changed, *chain[index + 1 :]]) == index + 1


@given(chains(least=2), st.data())
def test_an_altered_entry_with_a_new_hash_breaks_the_next_one(chain: list[LedgerEntry], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(chain) - 2))
    forged = seal(
        chain[index - 1] if index else None,
        time=chain[index].time,
        actor=chain[index].actor + "x",
        action=chain[index].action,
        subject=chain[index].subject,
        reason=chain[index].reason,
        data=chain[index].data,
    )
    assert verify([*chain[:index], forged, *chain[index + 1 :]]) == index + 2


@given(chains(least=2), st.data())
def test_a_removed_entry_is_found(chain: list[LedgerEntry], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(chain) - 2))
    assert verify([*chain[:index], *chain[index + 1 :]]) == index + 1


@given(chains())
def test_a_cut_off_end_is_found_by_the_head(chain: list[LedgerEntry]) -> None:
    assert verify(chain[:-1], head=chain[-1].hash) == len(chain)


@given(chains(least=2), st.data())
def test_reordered_entries_are_found(chain: list[LedgerEntry], data: st.DataObject) -> None:
    one, other = sorted(data.draw(st.lists(st.integers(0, len(chain) - 1), min_size=2, max_size=2, unique=True)))
    swapped = list(chain)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    assert verify(swapped) == one + 1


@given(chains())
def test_the_chain_survives_json(chain: list[LedgerEntry]) -> None:
    assert verify([replace(entry, data=json.loads(json.dumps(dict(entry.data)))) for entry in chain]) is None
