"""Whose turn it is: kinds, repositories, labels and limits; and that nobody who waits is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline.model.work import WorkKind, WorkLimits
from pipeline.records.server.turns import PATIENCE, UnderWay, Waiting, in_turn, passed_over

DELIVERY, BUILD, SCHEDULED = WorkKind.DELIVERY, WorkKind.BUILD, WorkKind.SCHEDULED
NO_LIMITS = WorkLimits()


def waits(name: str, kind: WorkKind = BUILD, repository: str = "shop", **more: object) -> Waiting:
    return Waiting(id=name, token=0, kind=kind, repository=repository, **{"labels": (), **more})  # type: ignore[arg-type]


def runs(repository: str = "shop", kind: WorkKind = BUILD) -> UnderWay:
    return UnderWay(kind=kind, repository=repository)


@pytest.mark.parametrize(
    ("waiting", "under_way", "passed", "limits", "turns"),
    [
        pytest.param(
            [waits("1", SCHEDULED), waits("2"), waits("3", DELIVERY)],
            [],
            {},
            NO_LIMITS,
            "321",
            id="kinds in their order",
        ),
        pytest.param([waits("2"), waits("1")], [], {}, NO_LIMITS, "12", id="the oldest"),
        pytest.param(
            [waits("1"), waits("2", repository="till")], [runs()], {}, NO_LIMITS, "21", id="who has less under way"
        ),
        pytest.param(
            [waits("1", served="2026-11-27"), waits("2", repository="till", served="2026-11-26")],
            [],
            {},
            NO_LIMITS,
            "21",
            id="who was served longer ago",
        ),
        pytest.param(
            [waits("1", served="2026-11-27"), waits("2", repository="till")], [], {}, NO_LIMITS, "21", id="never served"
        ),
        pytest.param(
            [waits("1"), waits("2", interrupted=True)], [], {}, NO_LIMITS, "21", id="what was interrupted goes on first"
        ),
        pytest.param(
            [waits("1", DELIVERY), waits("2")], [], {BUILD: 3}, NO_LIMITS, "21", id="a build that was passed over"
        ),
        pytest.param(
            [waits("1", DELIVERY), waits("2")], [], {BUILD: 2}, NO_LIMITS, "12", id="a build that can wait once more"
        ),
        pytest.param(
            [waits("1", DELIVERY), waits("2", SCHEDULED)],
            [],
            {SCHEDULED: 8},
            NO_LIMITS,
            "12",
            id="the clock is patient",
        ),
        pytest.param(
            [waits("1", DELIVERY), waits("2")],
            [runs(kind=DELIVERY), runs(kind=DELIVERY)],
            {},
            WorkLimits(deliveries=2),
            "2",
            id="a kind at its limit",
        ),
        pytest.param(
            [waits("1", DELIVERY), waits("2", repository="till")],
            [runs()],
            {},
            WorkLimits(repository=1),
            "2",
            id="a repository at its limit, whatever the kind",
        ),
        pytest.param([waits("1", labels=("gpu",)), waits("2")], [], {}, NO_LIMITS, "2", id="not its labels"),
    ],
)
def test_turns(
    waiting: Sequence[Waiting],
    under_way: Sequence[UnderWay],
    passed: dict[WorkKind, int],
    limits: WorkLimits,
    turns: str,
) -> None:
    found = in_turn(waiting, under_way, passed, labels=["arm64"], limits=limits)
    assert [item.id for item in found] == list(turns)


KINDS = some.sampled_from(list(WorkKind))
REPOSITORIES = some.sampled_from(["shop", "till", "site"])


@given(
    waiting=some.lists(some.tuples(KINDS, REPOSITORIES, some.sampled_from([(), ("gpu",), ("gpu", "arm64")]))),
    under_way=some.lists(some.builds(UnderWay, kind=KINDS, repository=REPOSITORIES)),
    limits=some.builds(
        WorkLimits, **dict.fromkeys(("repository", "deliveries", "builds", "scheduled"), some.integers(0, 4))
    ),
    labels=some.sampled_from([(), ("gpu",), ("arm64", "gpu")]),
)
def test_what_may_start_is_within_all_limits_and_nothing_else_is_left_out(
    waiting: list[tuple[WorkKind, str, tuple[str, ...]]],
    under_way: list[UnderWay],
    limits: WorkLimits,
    labels: tuple[str, ...],
) -> None:
    items = [waits(str(number), kind, name, labels=asked) for number, (kind, name, asked) in enumerate(waiting)]
    able = in_turn(items, under_way, {}, labels=labels, limits=limits)
    for item in items:
        of_kind = sum(other.kind is item.kind for other in under_way)
        of_repository = sum(other.repository == item.repository for other in under_way)
        full = 0 < limits.of(item.kind) <= of_kind or 0 < limits.repository <= of_repository
        assert (item in able) == (set(item.labels) <= set(labels) and not full)


@given(flood=some.lists(some.tuples(KINDS, REPOSITORIES), min_size=1), late=some.tuples(KINDS, REPOSITORIES))
def test_a_flood_holds_nobody_up(flood: list[tuple[WorkKind, str]], late: tuple[WorkKind, str]) -> None:
    """One slot, and lines that never end: whoever comes later is served within so many turns as kinds and other
    repositories can take before it."""
    served: dict[str, str] = {}
    passed: dict[WorkKind, int] = {}
    lines = {*flood, late}
    bound = 4 * 10 * (1 + len({name for _, name in lines}))
    for turn in range(bound):
        heads = [
            waits(f"{kind.value} {name}", kind, name, served=served.get(f"{kind} {name}", "")) for kind, name in lines
        ]
        able = in_turn(heads, [], passed, labels=(), limits=NO_LIMITS)
        passed = passed_over(able[0], able, passed)
        served[f"{able[0].kind} {able[0].repository}"] = f"{turn:06}"
        if (able[0].kind, able[0].repository) == late:
            return
    pytest.fail(f"{late} was not served in {bound} turns: {passed}")


def test_whom_nobody_could_serve_was_not_passed_over() -> None:
    first, build = waits("1", DELIVERY), waits("2")
    assert passed_over(first, [first], {BUILD: 2}) == {DELIVERY: 0, BUILD: 2, SCHEDULED: 0}
    assert passed_over(first, [first, build], {BUILD: 2}) == {DELIVERY: 0, BUILD: PATIENCE[BUILD], SCHEDULED: 0}
    assert passed_over(build, [build, first], {BUILD: 3, DELIVERY: 0}) == {DELIVERY: 0, BUILD: 0, SCHEDULED: 0}
