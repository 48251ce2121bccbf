"""The ledger's chain shows every alteration."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.ledger import GENESIS, Anchor, first_break, head_line, seal, verify
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
        pytest.param(2**53, "9007199254740992", id="more than every library reads"),
        pytest.param(-(2**53) + 1, -(2**53) + 1, id="the most that every library reads"),
        pytest.param(1e300, "1e+300", id="great float"),
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


@given(chains(least=2), st.data())
def test_a_repeated_or_foreign_entry_is_found(chain: list[LedgerEntry], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(chain) - 2))
    assert verify([*chain[: index + 1], chain[index], *chain[index + 1 :]]) == index + 2


@given(chains(least=3), st.data())
def test_a_ledger_that_was_written_anew_is_found_by_an_anchor(chain: list[LedgerEntry], data: st.DataObject) -> None:
    """Somebody who can write may change an entry and seal all behind it again: only what was noted elsewhere tells."""
    index = data.draw(st.integers(0, len(chain) - 1))
    anew = chain[:index]
    for entry in chain[index:]:
        fields = {name: getattr(entry, name) for name in ("time", "action", "subject", "reason", "data")}
        actor = entry.actor + "x" if entry is chain[index] else entry.actor
        anew.append(seal(anew[-1] if anew else None, actor=actor, **fields))
    noted = chain[data.draw(st.integers(index, len(chain) - 1))]
    assert first_break(anew) is None
    found = first_break(anew, anchors=[Anchor.of(noted)])
    assert found is not None
    assert (found.seq, "written anew" in found.what) == (noted.seq, True)
    assert first_break(anew, anchors=[Anchor(hash=noted.hash)]) is not None
    assert first_break(chain, anchors=[Anchor.of(noted), Anchor(hash=noted.hash)]) is None


@given(chains(least=2), st.data())
def test_a_cut_off_end_is_found_by_an_anchor(chain: list[LedgerEntry], data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(chain) - 1))
    head = chain[-1]
    for anchor in (Anchor.of(head), Anchor(hash=head.hash)):
        found = first_break(chain[:kept], anchors=[anchor])
        assert found is not None
        assert found.seq == kept + 1
    assert first_break(chain, anchors=[Anchor.of(chain[kept])]) is None  # it went on since


@pytest.mark.parametrize(
    ("text", "anchor"),
    [
        pytest.param("a" * 64, Anchor(hash="a" * 64), id="hash"),
        pytest.param(f" 12:{'A' * 64}\n", Anchor(hash="a" * 64, seq=12), id="place and hash"),
        pytest.param("", None, id="nothing"),
        pytest.param("a" * 63, None, id="short"),
        pytest.param(f"0:{'a' * 64}", None, id="no place"),
        pytest.param(f"1:2:{'a' * 64}", None, id="two places"),
    ],
)
def test_anchors_as_people_write_them(text: str, anchor: Anchor | None) -> None:
    assert Anchor.parse(text) == anchor
    if anchor is not None:
        assert Anchor.parse(str(anchor)) == anchor


def test_the_line_that_is_told_is_an_anchor() -> None:
    entry = first({})
    told = head_line(entry)
    assert told == f"ledger 1:{entry.hash}"
    assert Anchor.parse(told.removeprefix("ledger ")) == Anchor.of(entry)


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": "\udc80"}, {"x": object()}])
def test_what_cannot_be_spelled_is_altered(data: dict[str, Any]) -> None:
    found = first_break([replace(first({}), data=data)])
    assert found is not None
    assert "altered" in found.what


@given(chains())
def test_the_chain_survives_json(chain: list[LedgerEntry]) -> None:
    assert verify([replace(entry, data=json.loads(json.dumps(dict(entry.data)))) for entry in chain]) is None
