"""The picture of a run: where stages go, and which chain decided how long it took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.pages.graph import ACROSS, DOWN, Stage, critical_path, drawn

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def stage(name: str, *needs: str, ended: int | None = None) -> Stage:
    finished = NOON + timedelta(seconds=ended) if ended is not None else None
    return Stage(name=name, needs=needs, look="succeeded", word="succeeded", finished=finished)


def test_the_critical_path_leads_back_over_what_was_waited_for() -> None:
    stages = (
        stage("checkout", ended=1),
        stage("lint", "checkout", ended=5),
        stage("unit", "checkout", ended=40),
        stage("push", "lint", "unit", ended=44),
        stage("late", "push"),
    )
    assert critical_path(stages) == {"checkout", "unit", "push"}


@st.composite
def graphs(draw: st.DrawFn) -> list[Stage]:
    count = draw(st.integers(1, 60))
    return [
        stage(f"s{index}", *(f"s{need}" for need in sorted(draw(st.sets(st.integers(0, index - 1), max_size=9)))))
        if index
        else stage("s0")
        for index in range(count)
    ]


@given(graphs())
def test_nothing_lies_on_something_else_and_every_stage_stands_behind_its_needs(stages: list[Stage]) -> None:
    picture = drawn(stages)
    places = {node.stage.name: (node.x, node.y) for node in picture.nodes}
    assert len(set(places.values())) == len(stages)
    assert all((x - 16) % ACROSS == 0 and (y - 16) % DOWN == 0 for x, y in places.values())
    for item in stages:
        assert all(places[need][0] < places[item.name][0] for need in item.needs)


def test_a_crowd_of_lines_goes_through_one_point() -> None:
    first = [stage(f"a{n}") for n in range(200)]
    second = [stage(f"b{n}", *(item.name for item in first)) for n in range(200)]
    picture = drawn([*first, *second])
    assert len(picture.edges) == 400
    assert len(picture.points) == 1
