"""The truth table of the scheduler, and Hypothesis against an independent reading of the semantics."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine.schedule import Decision, Node, Schedule
from pipeline.model.definition import EdgeRule, Need, RunRule
from pipeline.model.status import WENT_WRONG, Conclusion

S, W, K, B, F, T, C, E = (
    Conclusion.SUCCEEDED,
    Conclusion.WARNED,
    Conclusion.SKIPPED,
    Conclusion.BLOCKED,
    Conclusion.FAILED,
    Conclusion.TIMED_OUT,
    Conclusion.CANCELLED,
    Conclusion.ERRORED,
)


def node(name: str, *needs: str | Need, run: RunRule = RunRule.ON_SUCCESS, skip: str = "") -> Node:
    return Node(
        name=name,
        needs=tuple(need if isinstance(need, Need) else Need(stage=need) for need in needs),
        run=run,
        skip=skip,
    )


def play(nodes: list[Node], ends: Mapping[str, Conclusion]) -> dict[str, tuple[Conclusion, str]]:
    """Run a schedule to its end; stages that may run end as `ends` says (default succeeded)."""
    schedule = Schedule(nodes)
    known: dict[str, tuple[Conclusion, str]] = {}
    queue = list(schedule.start())
    while queue:
        decision = queue.pop(0)
        assert decision.name not in known
        if decision.outcome is not None:
            known[decision.name] = (decision.outcome.conclusion, decision.outcome.reason)
            continue
        for need in next(item for item in nodes if item.name == decision.name).needs:
            assert need.stage in known, "no stage runs before its needs"
        conclusion = ends.get(decision.name, S)
        known[decision.name] = (conclusion, "ran")
        queue.extend(schedule.finish(decision.name, conclusion))
    assert schedule.done
    return known


def edge(stage: str, rule: EdgeRule) -> Need:
    return Need(stage=stage, rule=rule)


CHAIN = [node("a"), node("b", "a"), node("c", "b")]
REPORT = [node("test"), node("report", "test", run=RunRule.ALWAYS), node("deploy", "report")]
ON_FAILURE = [node("a"), node("mid", "a"), node("clean", "mid", run=RunRule.ON_FAILURE)]


@pytest.mark.parametrize(
    ("nodes", "ends", "expected"),
    [
        pytest.param(CHAIN, {}, {"a": S, "b": S, "c": S}, id="all succeed"),
        pytest.param(CHAIN, {"a": F}, {"b": B, "c": B}, id="failed blocks at any distance"),
        pytest.param(CHAIN, {"a": T}, {"b": B, "c": B}, id="timed out blocks"),
        pytest.param(CHAIN, {"a": E}, {"b": B, "c": B}, id="errored blocks"),
        pytest.param(CHAIN, {"a": C}, {"b": B, "c": B}, id="cancelled blocks"),
        pytest.param(CHAIN, {"a": W}, {"b": S, "c": S}, id="warned satisfies"),
        pytest.param([node("a", skip="no"), node("b", "a")], {}, {"a": K, "b": S}, id="skipped satisfies"),
        pytest.param(REPORT, {"test": F}, {"report": S, "deploy": B}, id="no deploy after a failed test"),
        pytest.param(REPORT, {"test": S, "report": F}, {"deploy": B}, id="always stage's own failure counts"),
        pytest.param(ON_FAILURE, {}, {"clean": K}, id="on_failure without failure is skipped"),
        pytest.param(ON_FAILURE, {"a": F}, {"mid": B, "clean": S}, id="on_failure sees any ancestor"),
        pytest.param(ON_FAILURE, {"mid": C}, {"clean": K}, id="cancelled is no failure"),
        pytest.param(
            [node("a"), node("n", edge("a", EdgeRule.FAILED))], {"a": F}, {"n": S}, id="if failed, and it did"
        ),
        pytest.param([node("a"), node("n", edge("a", EdgeRule.FAILED))], {}, {"n": K}, id="if failed, unmet skips"),
        pytest.param(
            [node("a"), node("n", edge("a", EdgeRule.FINISHED)), node("z", "n")],
            {"a": F},
            {"n": S, "z": S},
            id="what lies behind an edge with a rule does not count",
        ),
        pytest.param(
            [node("a"), node("b", "a"), node("n", edge("a", EdgeRule.FINISHED), "b")],
            {"a": F},
            {"b": B, "n": B},
            id="an ancestor reached by another way must be satisfied",
        ),
        pytest.param(
            [node("a"), node("b"), node("n", edge("a", EdgeRule.FAILED), "b")],
            {"b": F},
            {"n": B},
            id="blocking wins over an unmet rule",
        ),
        pytest.param([node("a"), node("b", "a", skip="no")], {"a": F}, {"b": K}, id="own condition speaks first"),
        pytest.param(
            [node("a"), node("b", "a", skip="no"), node("c", "b")], {"a": F}, {"c": B}, id="skipping hides no failure"
        ),
    ],
)
def test_truth_table(nodes: list[Node], ends: dict[str, Conclusion], expected: dict[str, Conclusion]) -> None:
    known = play(nodes, ends)
    assert {name: known[name][0] for name in expected} == expected


def test_the_reason_names_the_stage_that_failed_not_the_one_it_blocked() -> None:
    assert play(CHAIN, {"a": F})["c"] == (B, "needs a: failed")


def test_stop_cancels_what_is_undecided_and_spares_what_is_asked_for() -> None:
    nodes = [
        node("a"),
        node("b", "a"),
        node("tidy", "b", run=RunRule.ALWAYS),
        node("tell", "b", run=RunRule.ON_FAILURE),
    ]
    schedule = Schedule(nodes)
    assert schedule.start() == (Decision(name="a"),)
    schedule.stop("fail_fast: x failed", spare=frozenset({RunRule.ALWAYS, RunRule.ON_FAILURE}))
    after = schedule.finish("a", C)
    assert [(item.name, item.outcome and item.outcome.conclusion) for item in after] == [
        ("b", C),
        ("tidy", None),
        ("tell", K),
    ]


def test_a_failure_before_the_stop_is_still_told() -> None:
    nodes = [node("a"), node("b", "a"), node("tell", "b", run=RunRule.ON_FAILURE)]
    schedule = Schedule(nodes)
    schedule.start()
    schedule.stop("fail_fast: a failed", spare=frozenset({RunRule.ON_FAILURE}))
    assert [(item.name, item.outcome and item.outcome.conclusion) for item in schedule.finish("a", F)] == [
        ("b", B),
        ("tell", None),
    ]


def test_a_stopped_schedule_starts_nothing_and_ends() -> None:
    schedule = Schedule(CHAIN)
    schedule.start()
    schedule.stop("interrupted")
    after = schedule.finish("a", C)
    assert [(item.name, item.outcome and item.outcome.conclusion) for item in after] == [("b", C), ("c", C)]
    assert schedule.done


# An independent reading of semantics.md: paths through the whole graph, evaluated from scratch for every stage.


def reference(nodes: list[Node], ends: Mapping[str, Conclusion]) -> dict[str, Conclusion]:
    by_name = {item.name: item for item in nodes}
    known: dict[str, Conclusion] = {}

    def plain_ancestors(name: str) -> set[str]:
        found: set[str] = set()
        for need in by_name[name].needs:
            if need.rule is EdgeRule.DEFAULT:
                found |= {need.stage} | plain_ancestors(need.stage)
        return found

    def all_ancestors(name: str) -> set[str]:
        return {need.stage for need in by_name[name].needs} | {
            far for need in by_name[name].needs for far in all_ancestors(need.stage)
        }

    for item in nodes:
        if item.skip:
            known[item.name] = K
        elif item.run is RunRule.ALWAYS:
            known[item.name] = ends.get(item.name, S)
        elif item.run is RunRule.ON_FAILURE:
            wrong = any(known[far] in WENT_WRONG for far in all_ancestors(item.name))
            known[item.name] = ends.get(item.name, S) if wrong else K
        elif any(not known[far].satisfies for far in plain_ancestors(item.name)):
            known[item.name] = B
        elif any(
            (need.rule is EdgeRule.FAILED and known[need.stage] not in WENT_WRONG)
            or (need.rule is EdgeRule.SUCCEEDED and not known[need.stage].satisfies)
            for need in item.needs
        ):
            known[item.name] = K
        else:
            known[item.name] = ends.get(item.name, S)
    return known


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], dict[str, Conclusion]]:
    count = draw(st.integers(1, 9))
    nodes: list[Node] = []
    ends: dict[str, Conclusion] = {}
    for index in range(count):
        name = f"s{index}"
        needs = draw(st.lists(st.sampled_from(nodes), unique_by=lambda item: item.name, max_size=3)) if nodes else []
        rules = st.sampled_from([EdgeRule.DEFAULT, EdgeRule.DEFAULT, *EdgeRule])
        nodes.append(
            Node(
                name=name,
                needs=tuple(Need(stage=item.name, rule=draw(rules)) for item in needs),
                run=draw(st.sampled_from([RunRule.ON_SUCCESS, RunRule.ON_SUCCESS, *RunRule])),
                skip=draw(st.sampled_from(["", "", "", "when: no"])),
            )
        )
        ends[name] = draw(st.sampled_from([S, S, W, F, T, E, C]))
    return nodes, ends


@given(graphs())
@settings(max_examples=300, deadline=None)
def test_every_graph_ends_and_matches_the_semantics(drawn: tuple[list[Node], dict[str, Conclusion]]) -> None:
    nodes, ends = drawn
    known = play(nodes, ends)
    assert {name: conclusion for name, (conclusion, _) in known.items()} == reference(nodes, ends)


@given(graphs(), st.data())
@settings(max_examples=200, deadline=None)
def test_stopping_at_any_moment_ends_with_every_stage_decided_once(
    drawn: tuple[list[Node], dict[str, Conclusion]], data: st.DataObject
) -> None:
    nodes, ends = drawn
    schedule = Schedule(nodes)
    seen: list[str] = []
    running: list[str] = []

    def take(decisions: tuple[Decision, ...]) -> None:
        for decision in decisions:
            seen.append(decision.name)
            if decision.outcome is None:
                running.append(decision.name)

    take(schedule.start())
    for _ in range(data.draw(st.integers(0, len(nodes)))):
        if running:
            name = running.pop(data.draw(st.integers(0, len(running) - 1)))
            take(schedule.finish(name, ends[name]))
    spare = data.draw(st.sampled_from([frozenset(), frozenset({RunRule.ALWAYS, RunRule.ON_FAILURE})]))
    schedule.stop("stopped", spare=spare)
    while running:
        name = running.pop()
        take(schedule.finish(name, ends[name]))
    assert sorted(seen) == sorted(item.name for item in nodes)
    assert schedule.done


def test_what_was_done_before_tells_also_what_stands_behind_it_in_the_plan() -> None:
    """A stage that needs all that another emitted stands before them in the plan."""
    nodes = (
        Node(name="split"),
        Node(name="report", needs=(Need(stage="split"), Need(stage="one")), run=RunRule.ALWAYS),
        Node(name="deploy", needs=(Need(stage="report"),)),
        Node(name="one", needs=(Need(stage="split"),)),
    )
    schedule = Schedule(nodes, done={"split": S, "report": S, "one": F})
    (decision,) = schedule.start()
    assert decision.name == "deploy"
    assert decision.outcome is not None
    assert decision.outcome.reason == "needs one: failed"
    assert schedule.done


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        pytest.param(S, None, id="it-succeeds"),
        pytest.param(F, "needs make: failed", id="it-fails"),
    ],
)
def test_what_runs_again_is_awaited_through_what_was_kept(ends: Conclusion, outcome: str | None) -> None:
    """A retry repeats `make` for its files; `push` and `note` between it and `check` are not repeated."""
    nodes = (
        Node(name="make"),
        Node(name="push", needs=(Need(stage="make"),)),
        Node(name="note", needs=(Need(stage="push"),)),
        Node(name="check", needs=(Need(stage="note"),)),
    )
    schedule = Schedule(nodes, done={"push": S, "note": S})
    assert [decision.name for decision in schedule.start()] == ["make"]
    assert not schedule.done
    (decision,) = schedule.finish("make", ends)
    assert decision.name == "check"
    assert (decision.outcome and decision.outcome.reason) == outcome
