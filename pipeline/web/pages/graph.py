"""The picture of a run: stages in columns from left to right, each behind all that it needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT = 196, 30
"""Of a stage."""
ACROSS, DOWN = 250, 40
"""From one column, one row, to the next."""
_TALLEST = 24
"""Rows of a column before a second one begins beside it."""
_CROWD = 24
"""More edges than this between the same stages go through one point."""
_LETTERS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What the picture shows of one stage."""

    name: str
    needs: tuple[str, ...]
    look: str
    word: str
    seconds: str = ""
    finished: datetime | None = None
    reused: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A stage at its place: the upper left corner of its box."""

    stage: Stage
    x: int
    y: int
    critical: bool

    @property
    def label(self) -> str:
        """Its name, as much as fits."""
        name = self.stage.name
        return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """A line, as an SVG path."""

    path: str
    critical: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """All of it; `points` are where many lines meet."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    points: tuple[tuple[int, int], ...]


def critical_path(stages: Sequence[Stage]) -> frozenset[str]:
    """The chain that decided how long the run took: from the stage that ended last back over whatever it waited for."""
    known = {stage.name: stage for stage in stages}
    ended = {name: stage.finished for name, stage in known.items() if stage.finished is not None}
    if not ended:
        return frozenset()
    at: str | None = max(ended, key=lambda name: (ended[name], name))
    path: list[str] = []
    while at is not None and at not in path:
        path.append(at)
        before = [need for need in known[at].needs if need in ended]
        at = max(before, key=lambda name: (ended[name], name)) if before else None
    return frozenset(path)


def drawn(stages: Sequence[Stage]) -> Picture:
    """Where everything goes. Stages come after their needs, as in a plan; a need that is not there is left out."""
    known = {stage.name for stage in stages}
    needs = {stage.name: tuple(need for need in stage.needs if need in known) for stage in stages}
    places = _places(stages, needs)
    critical = critical_path(stages)
    nodes = tuple(
        Node(stage=stage, x=places[stage.name][0], y=places[stage.name][1], critical=stage.name in critical)
        for stage in stages
    )
    edges, points = _edges(stages, needs, places, critical)
    width = max((node.x for node in nodes), default=0) + WIDTH + 16
    height = max((node.y for node in nodes), default=0) + HEIGHT + 16
    return Picture(width=width, height=height, nodes=nodes, edges=edges, points=points)


def _places(stages: Sequence[Stage], needs: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    depth: dict[str, int] = {}
    for stage in stages:
        depth[stage.name] = 1 + max((depth.get(need, -1) for need in needs[stage.name]), default=-1)
    layers: dict[int, list[str]] = defaultdict(list)
    for name, level in depth.items():
        layers[level].append(name)
    rank: dict[str, float] = {}
    places: dict[str, tuple[int, int]] = {}
    column = 0
    for level in sorted(layers):
        names = sorted(layers[level], key=lambda name: _middle(needs[name], rank))  # stable: the file's order else
        for index, name in enumerate(names):
            rank[name] = index
            places[name] = (16 + (column + index // _TALLEST) * ACROSS, 16 + index % _TALLEST * DOWN)
        column += 1 + (len(names) - 1) // _TALLEST
    return places


def _middle(needs: Sequence[str], rank: Mapping[str, float]) -> float:
    ranks = [rank[need] for need in needs if need in rank]
    return sum(ranks) / len(ranks) if ranks else 0.0


def _edges(
    stages: Sequence[Stage],
    needs: Mapping[str, tuple[str, ...]],
    places: Mapping[str, tuple[int, int]],
    critical: frozenset[str],
) -> tuple[tuple[Edge, ...], tuple[tuple[int, int], ...]]:
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for stage in stages:
        if needs[stage.name]:
            alike[needs[stage.name]].append(stage.name)
    edges: list[Edge] = []
    points: list[tuple[int, int]] = []
    for sources, targets in alike.items():
        if len(sources) < 2 or len(targets) < 2 or len(sources) * len(targets) <= _CROWD:
            edges += [
                Edge(path=_line(_right(places[source]), _left(places[target])), critical={source, target} <= critical)
                for target in targets
                for source in sources
            ]
            continue
        x = min(places[target][0] for target in targets) - (ACROSS - WIDTH) // 2
        y = sum(places[target][1] for target in targets) // len(targets) + HEIGHT // 2
        points.append((x, y))
        edges += [Edge(path=_line(_right(places[item]), (x, y)), critical=item in critical) for item in sources]
        edges += [Edge(path=_line((x, y), _left(places[item])), critical=item in critical) for item in targets]
    return tuple(sorted(edges, key=lambda edge: edge.critical)), tuple(points)


def _right(place: tuple[int, int]) -> tuple[int, int]:
    return place[0] + WIDTH, place[1] + HEIGHT // 2


def _left(place: tuple[int, int]) -> tuple[int, int]:
    return place[0], place[1] + HEIGHT // 2


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    bend = max(12, (end[0] - start[0]) // 2)
    return f"M{start[0]} {start[1]}C{start[0] + bend} {start[1]} {end[0] - bend} {end[1]} {end[0]} {end[1]}"
