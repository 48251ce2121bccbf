"""Which runs have had their time: what is held never goes, the newest stay, and the rule is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.history import RunOutline
from pipeline.model.status import RunState
from pipeline.operations.retention import LEAST, Rule, due

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def outline(days: float, *, repository: str = "shop", state: RunState = RunState.DONE) -> RunOutline:
    created = NOW - timedelta(days=days)
    over = created if state is RunState.DONE else None
    return RunOutline(
        run=f"{repository}-{days:g}", number=1, repository=repository, state=state, created=created, ended=over
    )


def runs(count: int, *, repository: str = "shop") -> list[RunOutline]:
    """A run a day, newest first; the newest is of today."""
    return [outline(day, repository=repository) for day in range(count)]


def going(known: list[RunOutline], rule: Rule, *held: str, **more: dict[str, object]) -> list[str]:
    found = due(known, rule, held=held, now=NOW, blobs=more.get("blobs", {}), sizes=more.get("sizes", {}))  # type: ignore[arg-type]
    return sorted(found)


def test_without_bounds_everything_stays() -> None:
    assert going(runs(100), Rule()) == []


def test_by_age() -> None:
    assert going(runs(15), Rule(days=12.5)) == ["shop-13", "shop-14"]


def test_by_number_in_each_repository() -> None:
    known = runs(14) + runs(11, repository="other")
    assert going(known, Rule(most=12)) == ["shop-12", "shop-13"]


def test_the_newest_of_every_repository_stay_however_old() -> None:
    known = [outline(1000 + day) for day in range(LEAST)]
    assert going(known, Rule(days=1, most=1)) == []


def test_by_room_the_oldest_go_until_the_rest_fits() -> None:
    known = runs(14)
    blobs = {run.run: {f"log-{run.run}", "shared"} for run in known}
    sizes = {"shared": 1000} | {f"log-{run.run}": 100 for run in known}
    assert going(known, Rule(room=2400), blobs=blobs, sizes=sizes) == []
    assert going(known, Rule(room=2399), blobs=blobs, sizes=sizes) == ["shop-13"]
    assert going(known, Rule(room=2200), blobs=blobs, sizes=sizes) == ["shop-12", "shop-13"]
    assert going(known, Rule(room=1), blobs=blobs, sizes=sizes) == [f"shop-{day}" for day in range(10, 14)]


@pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.DONE])
def test_what_is_not_over_stays(state: RunState) -> None:
    known = [*runs(20), outline(500, state=state)]
    assert f"shop-{500}" not in going(known, Rule(days=1, most=1, room=1))


OUTLINES = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["a", "b"]), st.sampled_from(list(RunState))),
    max_size=60,
    unique_by=lambda item: item[:2],
)


@given(OUTLINES, st.integers(0, 300), st.integers(0, 30), st.integers(0, 3000), st.data())
def test_whatever_the_rule_nothing_held_goes_and_what_stays_keeps_it(
    drawn: list[tuple[int, str, RunState]], days: int, most: int, room: int, data: st.DataObject
) -> None:
    known = [outline(age, repository=name, state=state) for age, name, state in sorted(drawn)]
    names = [run.run for run in known]
    held = data.draw(st.sets(st.sampled_from(names))) if names else set()
    blobs = {name: {f"blob-{data.draw(st.integers(0, 9))}", name} for name in names}
    sizes = dict.fromkeys(names, 50) | {f"blob-{number}": 200 for number in range(10)}
    rule = Rule(days=days, most=most, room=room)
    gone = due(known, rule, held=held, now=NOW, blobs=blobs, sizes=sizes)
    finished = {name: [run for run in known if run.repository == name and run.state is RunState.DONE] for name in "ab"}
    safe = {run.run for mine in finished.values() for run in mine[:LEAST]}
    safe |= held | {run.run for run in known if run.state is not RunState.DONE}
    assert not gone & safe
    free = [run for run in known if run.run not in gone | safe]
    assert all(not days or run.created >= NOW - timedelta(days=days) for run in free)
    if most:
        assert all(run in mine[: max(most, LEAST)] for mine in finished.values() for run in mine if run in free)
    if room and free:
        assert sum(sizes[digest] for digest in {d for name in names if name not in gone for d in blobs[name]}) <= room
