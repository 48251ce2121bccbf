"""The order of stages: who needs whom, circles, and the checkout that stands first where none is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.model.definition import Need, StageDefinition

CHECKOUT = "checkout"
Graph = Mapping[str, Sequence[str]]


def with_implied_needs(stages: Sequence[StageDefinition], written: frozenset[str]) -> tuple[StageDefinition, ...]:
    """Stages that write no `needs` need the one just above.

    `written` names the stages that do write them.
    """
    result: list[StageDefinition] = []
    for stage in stages:
        implied = stage.name not in written and bool(result)
        result.append(replace(stage, needs=(Need(stage=result[-1].name),)) if implied else stage)
    return tuple(result)


def wants_checkout(stages: Sequence[StageDefinition]) -> bool:
    """Whether a checkout has to be put first: none is written and somebody wants the source."""
    return all(stage.kind != CHECKOUT for stage in stages) and any(stage.source for stage in stages)


def with_source(stages: Sequence[StageDefinition]) -> tuple[StageDefinition, ...]:
    """Stages that see the source need the checkout, at whatever distance; those that do not reach it get an edge.

    The graph must be free of circles and of unknown stages.
    """
    checkout = next((stage.name for stage in stages if stage.kind == CHECKOUT), None)
    if checkout is None:
        return tuple(stages)
    graph = graph_of(stages)
    before = ancestors(graph, checkout)
    reached: dict[str, bool] = {}
    edges: set[str] = set()
    by_name = {stage.name: stage for stage in stages}
    for name in ordered(graph)[0]:
        reached[name] = name == checkout or any(reached[other] for other in graph[name])
        stage = by_name[name]
        if not reached[name] and stage.source and stage.kind != CHECKOUT and name not in before:
            reached[name] = True
            edges.add(name)
    return tuple(
        replace(stage, needs=(Need(stage=checkout), *stage.needs)) if stage.name in edges else stage for stage in stages
    )


def graph_of(stages: Iterable[StageDefinition]) -> dict[str, tuple[str, ...]]:
    """Each stage with the names that it needs."""
    return {stage.name: tuple(need.stage for need in stage.needs) for stage in stages}


def ordered(graph: Graph) -> tuple[list[str], list[str]]:
    """Names so that each stands behind all that it needs, and those that cannot be put so: on or behind a circle."""
    open_needs = {name: len(set(needs)) for name, needs in graph.items()}
    dependents: dict[str, list[str]] = {name: [] for name in graph}
    for name, needs in graph.items():
        for other in set(needs):
            dependents[other].append(name)
    ready = [name for name, count in open_needs.items() if count == 0]
    done: list[str] = []
    while ready:
        name = ready.pop()
        done.append(name)
        for other in dependents[name]:
            open_needs[other] -= 1
            if open_needs[other] == 0:
                ready.append(other)
    return done, [name for name, count in open_needs.items() if count > 0]


def ancestors(graph: Graph, name: str) -> frozenset[str]:
    """All that a stage needs, at any distance."""
    found: set[str] = set()
    todo = list(graph[name])
    while todo:
        other = todo.pop()
        if other not in found:
            found.add(other)
            todo.extend(graph[other])
    return frozenset(found)


def cycles(graph: Graph) -> list[list[str]]:
    """Circles that share no stage, each as its path; the first name comes first in the graph's own order."""
    found: list[list[str]] = []
    rest = {name: list(needs) for name, needs in graph.items()}
    while True:
        stuck = ordered(rest)[1]
        if not stuck:
            return found
        cycle = _walk(rest, stuck)
        first = min(range(len(cycle)), key=lambda index: stuck.index(cycle[index]))
        found.append(cycle[first:] + cycle[:first])
        for name in cycle:
            del rest[name]
        rest = {name: [other for other in needs if other in rest] for name, needs in rest.items()}


def _walk(graph: Graph, stuck: Sequence[str]) -> list[str]:
    among = frozenset(stuck)
    path: list[str] = []
    seen: dict[str, int] = {}
    name = stuck[0]
    while name not in seen:
        seen[name] = len(path)
        path.append(name)
        name = next(other for other in graph[name] if other in among)
    return path[seen[name] :]
