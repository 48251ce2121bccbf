"""Whether services are what they should be, judged from their tasks alone: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.targets.swarm.tasks import Node, Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """A service with so many instances of one promotion and none of any other."""

    service: str
    """Its id."""
    promotion: str
    replicas: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How far it is: who runs as wanted, who should not run any more, what failed, what is in the way."""

    right: tuple[Task, ...]
    wrong: tuple[Task, ...]
    failed: tuple[Task, ...]
    """Ended instances of the promotion that is on trial."""
    unplaced: tuple[Task, ...]
    """Instances for which the swarm finds no node."""
    wanted: int
    obstacles: tuple[str, ...]
    down: tuple[str, ...]
    """Names of nodes that do not answer."""

    @property
    def reached(self) -> bool:
        """All as it should be."""
        return len(self.right) == self.wanted and not self.wrong

    @property
    def as_far_as_it_goes(self) -> bool:
        """All as it should be, apart from instances that have no node to run on."""
        return bool(self.right) and not self.wrong and len(self.right) + len(self.unplaced) >= self.wanted

    @property
    def is_stuck(self) -> bool:
        """The swarm may not go on to the other instances while one that it has begun finds no node, or was lost."""
        return bool(self.wrong) and bool(self.unplaced or self.down)

    def count(self) -> str:
        """Where it stands, in one line."""
        text = f"{len(self.right)} of {self.wanted} instances run"
        return f"{text}; {len(self.wrong)} of the other version still run" if self.wrong else text

    def words(self) -> str:
        """The same with what is in the way, which may be gone a moment later."""
        return "; ".join((self.count(), *self.obstacles))


def standing(
    tasks: Iterable[Task],
    goals: Iterable[Goal],
    *,
    trial: str = "",
    known: frozenset[str] = frozenset(),
    nodes: Mapping[str, Node],
) -> Standing:
    """Judge tasks by goals. `trial` is the promotion whose ended instances count as failures, except those `known`."""
    by_service = {goal.service: goal for goal in goals}
    right: list[Task] = []
    wrong: list[Task] = []
    unplaced: list[Task] = []
    obstacles: list[str] = []
    failed = []
    for task in tasks:
        goal = by_service.get(task.service)
        if goal is None:
            continue
        if task.runs:
            (right if task.promotion == goal.promotion else wrong).append(task)
        elif task.is_meant and task.node is None and task.words:
            unplaced.append(task)
            obstacles.append(task.words)
        if trial and task.promotion == trial and task.ended and task.id not in known:
            failed.append(task)
    down = tuple(sorted(node.name for node in nodes.values() if not node.up))
    if down:
        obstacles.append(("nodes " if len(down) > 1 else "node ") + ", ".join(down) + " down")
    return Standing(
        right=tuple(right),
        wrong=tuple(wrong),
        failed=tuple(failed),
        unplaced=tuple(unplaced),
        wanted=sum(goal.replicas for goal in by_service.values()),
        obstacles=tuple(dict.fromkeys(obstacles)),
        down=down,
    )
