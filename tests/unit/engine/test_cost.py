"""What a finished stage costs does not grow with the number of stages: counted in instructions, not in time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from scripted_run import Play, stage

from pipeline.engine import announcer, layers, runner, schedule, scope
from pipeline.engine.schedule import Node, Schedule
from pipeline.model.definition import Need, StageDefinition
from pipeline.model.status import Conclusion

FILES = {module.__file__ for module in (announcer, layers, runner, schedule, scope)}


def instructions(work: Callable[[], object]) -> int:
    """How many instructions of the engine's own files this thread runs."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def wide(size: int) -> list[Node]:
    """Many at once, and one that needs them all."""
    many = [Node(name=f"s{index}") for index in range(size)]
    return [*many, Node(name="end", needs=tuple(Need(stage=node.name) for node in many))]


def chain(size: int) -> list[Node]:
    """One after the other."""
    return [Node(name=f"s{index}", needs=(Need(stage=f"s{index - 1}"),) if index else ()) for index in range(size)]


def layered(size: int) -> list[Node]:
    """Rows of ten, each stage behind all of the row before."""
    return [
        Node(name=f"s{index}", needs=tuple(Need(stage=f"s{(index // 10 - 1) * 10 + near}") for near in range(10)))
        if index >= 10
        else Node(name=f"s{index}")
        for index in range(size)
    ]


def finish_all(graph: Schedule) -> None:
    running = [decision.name for decision in graph.start()]
    while running:
        running += [decision.name for decision in graph.finish(running.pop(), Conclusion.SUCCEEDED)]


@pytest.mark.parametrize(
    "shape", [pytest.param(wide, id="wide"), pytest.param(chain, id="chain"), pytest.param(layered, id="layered")]
)
def test_a_decision_costs_the_same_in_a_large_graph(shape: Callable[[int], list[Node]]) -> None:
    each = []
    for size in (100, 1000):
        graph = Schedule(shape(size))
        each.append(instructions(lambda graph=graph: finish_all(graph)) / size)  # type: ignore[misc]
        assert graph.done
    assert each[1] < each[0] * 1.12  # the first row, which needs nothing, is a tenth of the small graph


def wide_run(size: int) -> tuple[StageDefinition, ...]:
    return (*(stage(f"s{index}") for index in range(size)), stage("end", *(f"s{index}" for index in range(size))))


def test_a_run_costs_the_same_for_each_stage(play: Play) -> None:
    each = [instructions(lambda size=size: play(*wide_run(size), parallel=4)) / size for size in (40, 400)]  # type: ignore[misc]
    assert each[1] < each[0] * 1.2, each
