"""What runs have left on a swarm: services, notes, doors and networks with its managers, the rest on each node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from pipeline.dockerapi import connect
from pipeline.errors import EcluseError, EngineError
from pipeline.executors.docker import sweep
from pipeline.executors.docker.images import DockerImages
from pipeline.executors.swarm.cluster import Cluster, Node
from pipeline.executors.swarm.doors import LABEL_DOOR, doors_left, sweep_doors
from pipeline.executors.swarm.shelf import Layers
from pipeline.model.identity import LABEL_INSTALLATION, LABEL_ROLE, LABEL_RUN, ROLE_TARGET, RunIdentity
from pipeline.ports.executor import Leftover
from pipeline.ports.storage import Shelf
from pipeline.settings import Settings

Found = TypeVar("Found")
AT = "@"
"""Between the name of an object and that of its node."""


class OnNodes(Protocol):
    """Does something on every node that is ready."""

    def __call__(self, act: Callable[[Node, Settings], Found]) -> list[Found]:
        """What it gave on each."""


def find(cluster: Cluster, installation: str, on_nodes: OnNodes) -> tuple[Leftover, ...]:
    """All of it; names of what is on a node end with `@` and the node's. Raises EngineError and kin."""
    found = [_leftover(kind, item) for kind, item in _of_managers(cluster, installation)]

    def look(node: Node, settings: Settings) -> list[Leftover]:
        left = sweep.find(connect(settings), installation)
        if node.id == cluster.own:  # images are built there, and carry a name instead of a label
            left += DockerImages(settings).leftovers(installation)
        return [
            Leftover(kind=item.kind, name=f"{item.name}{AT}{node.name}", run=item.run, kept=item.kept) for item in left
        ]

    return tuple(item for items in (found, *on_nodes(look)) for item in items)


def remove(cluster: Cluster, shelf: Shelf, leftovers: tuple[Leftover, ...], on_nodes: OnNodes) -> None:
    """Remove what was found, services first; what a run has in the store goes with its notes. EngineError names what
    stayed."""
    problems: list[EcluseError] = []
    for item in leftovers:
        if item.kind == "service":
            _tried(partial(cluster.remove, item.name), problems)
    by_node: dict[str, list[Leftover]] = defaultdict(list)
    for item in leftovers:
        name, at, node = item.name.rpartition(AT)
        if at:
            by_node[node].append(Leftover(kind=item.kind, name=name, run=item.run))

    def clear(node: Node, settings: Settings) -> None:
        if node.name in by_node:
            sweep.remove(connect(settings), by_node[node.name])

    if by_node:
        _tried(lambda: on_nodes(clear), problems)
    for item in leftovers:
        if item.kind in ("config", "door"):
            _tried(partial(_let_go, cluster, shelf, item), problems)
    if problems:
        raise EngineError("; ".join(error.message for error in problems), hint="`ecluse gc` tries again")


def _let_go(cluster: Cluster, shelf: Shelf, item: Leftover) -> None:
    installation, _, _ = item.name.partition("/")
    run = RunIdentity(installation=installation, run=item.run)
    if item.kind == "door":
        sweep_doors(cluster, run)
    else:
        Layers(cluster, run, shelf).clear()


def _of_managers(cluster: Cluster, installation: str) -> list[tuple[str, Mapping[str, Any]]]:
    ours = {LABEL_INSTALLATION: installation}
    of_runs = {**ours, LABEL_RUN: ""}
    found = [("service", item) for item in cluster.services(of_runs)]
    found += [("config", item) for item in cluster.kept("config", of_runs)]
    found += [("door", item) for item in doors_left(cluster, installation)]
    return [(kind, item) for kind, item in found if _labels(item).get(LABEL_ROLE) != ROLE_TARGET]


def _leftover(kind: str, item: Mapping[str, Any]) -> Leftover:
    labels = _labels(item)
    run = labels.get(LABEL_RUN) or labels[LABEL_DOOR]
    name = str((item.get("Spec") or item)["Name"])
    return Leftover(kind=kind, name=name if kind == "service" else f"{labels[LABEL_INSTALLATION]}/{name}", run=run)


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item.get("Labels") or (item.get("Spec") or {}).get("Labels") or {}


def _tried(act: Callable[[], object], problems: list[EcluseError]) -> None:
    try:
        act()
    except EcluseError as error:
        problems.append(error)
