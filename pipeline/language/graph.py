"""The order of stages: who needs whom, circles, and the checkout that stands first where none is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.model.definition import Need

CHECKOUT = "checkout"
Graph = Mapping[str, Sequence[str]]


def with_source(
    needs: Mapping[str, tuple[Need, ...]], *, checkout: str, blind: frozenset[str]
) -> dict[str, tuple[Need, ...]]:
    """Needs with an edge to the checkout for each stage that does not reach it, unless it is `blind` to the source.

    The graph must be free of circles. What the checkout itself needs gets no edge.
    """
    graph = graph_of(needs)
    before = ancestors(graph, checkout)
    reached: set[str] = set()
    result = dict(needs)
    for name in ordered(graph)[0]:
        if name == checkout or any(other in reached for other in graph[name]):
            reached.add(name)
        elif name not in blind and name not in before:
            reached.add(name)
            result[name] = (Need(stage=checkout), *needs[name])
    return result


def graph_of(needs: Mapping[str, Sequence[Need]]) -> dict[str, tuple[str, ...]]:
    """Each stage with the names that it needs."""
    return {name: tuple(need.stage for need in edges) for name, edges in needs.items()}


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
