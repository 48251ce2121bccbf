"""Waiting for the swarm to bring about what it was asked for, with an eye on who serves meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress
from pipeline.targets.swarm.cluster import Cluster, Service
from pipeline.targets.swarm.convergence import Goal, Standing, standing
from pipeline.targets.swarm.tasks import Task
from pipeline.targets.unfit import with_log

PAUSE = 0.1
"""Seconds between two looks."""
ROOM_WITHIN = 4.0
"""Seconds for which there is no node for an instance before that counts as final: a port takes one to be free again."""


class Watch:
    """Watches the services of one rollout. `gap` is the longest time in which no instance of any of them served.

    `timeout` is how long one instance may take: it begins anew with each that runs. `serving`: somebody serves now.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        settle: float,
        timeout: float,
        serving: bool,
        progress: Progress,
        cancel: Cancellation,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._cluster = cluster
        self._settle = settle
        self._timeout = timeout
        self._progress = progress
        self._cancel = cancel
        self._now = now
        self._ends = now() + timeout
        self._since: dict[str, float] = {}
        self._down: set[str] = set()
        self._said = ""
        self._served: float | None = now() if serving else None
        self._nobody = False
        self.gap = 0.0

    def until(
        self,
        goals: Sequence[Goal],
        services: Sequence[Service],
        *,
        trial: str = "",
        known: frozenset[str] = frozenset(),
        widen: Callable[[int], Service] | None = None,
    ) -> str:
        """Wait until every goal is reached and has been for the time to settle; "" then, else why not.

        The swarm's update goes on waiting for an instance that was lost with its node, though another runs in its
        place: `widen` makes it look again.
        """
        since, before = self._now(), ""
        while True:
            seen = self._look(goals, services, trial=trial, known=known)
            if seen.failed:
                return self._failure(seen.failed[-1])
            if seen.reached and self._settled(seen.right):
                return ""
            if self._now() > self._ends:
                return f"not there within {self._timeout:g}s: {seen.words()}"
            if seen.count() != before or not (seen.wrong and seen.down) or seen.unplaced:
                since, before = self._now(), seen.count()
            elif widen and self._now() - since > ROOM_WITHIN:
                widen(1)
                since = self._now()
            self._cancel.wait(PAUSE)

    def as_far_as_it_goes(
        self, goal: Goal, service: Service, *, widen: Callable[[int], Service], again: Callable[[int], None]
    ) -> str:
        """As `until`, but instances for which there is no node are not waited for; what is missing is said.

        The swarm's update would wait for them (and for one that was lost with its node, though another runs in its
        place): then `widen` lets it take so many more instances at a time. At the end
        `again` asks anew for what is missing, with the number that run: a task older than the last update of its
        service would wait for its node for ever.
        """
        since, known = self._now(), -1
        while True:
            seen = self._look([goal], [service])
            if seen.reached:
                return ""
            if not (seen.as_far_as_it_goes or seen.is_stuck) or len(seen.right) > known:
                since, known = self._now(), len(seen.right)
            elif self._now() - since > ROOM_WITHIN:
                if seen.as_far_as_it_goes:
                    again(len(seen.right))
                    return seen.words()
                service, since = widen(max(1, len(seen.unplaced))), self._now()
            if self._now() > self._ends:
                return f"not there within {self._timeout:g}s: {seen.words()}"
            self._cancel.wait(PAUSE)

    def until_placed(self, service: Service) -> None:
        """Wait until no instance of it is without a node."""
        while any(task.is_meant and task.node is None for task in self._tasks(service)):
            if self._now() > self._ends:
                return
            self._cancel.wait(PAUSE)

    def until_ended(self, service: Service) -> str:
        """Wait until no process of the service is left; "" then, else why not."""
        while True:
            self._cancel.check()
            left = [task for task in self._tasks(service) if task.lives]
            self._note(left)
            if not left:
                return ""
            if self._now() > self._ends:
                return f"{len(left)} instances of the old version did not end within {self._timeout:g}s"
            self._cancel.wait(PAUSE)

    def _tasks(self, service: Service) -> Sequence[Task]:
        return self._cluster.tasks(service, known=self._cluster.nodes())

    def _look(
        self,
        goals: Sequence[Goal],
        services: Sequence[Service],
        *,
        trial: str = "",
        known: frozenset[str] = frozenset(),
    ) -> Standing:
        self._cancel.check()
        nodes = self._cluster.nodes()
        tasks = self._cluster.tasks(*services, known=nodes)
        self._note(tasks)
        for node in nodes.values():
            if not node.up and node.id not in self._down and self._since:
                self._progress(f"node {node.name} is down")
            if not node.up:
                self._down.add(node.id)
        seen = standing(tasks, goals, trial=trial, known=known, nodes=nodes)
        for task in seen.right:
            if task.id not in self._since:
                self._since[task.id] = self._now()
                self._ends = self._now() + self._timeout
        if seen.count() != self._said:
            self._said = seen.count()
            self._progress(self._said)
        return seen

    def _note(self, tasks: Sequence[Task]) -> None:
        """Keep the longest time without anybody serving, from the first moment that somebody did."""
        now = self._now()
        if any(task.runs for task in tasks):
            if self._nobody and self._served is not None:
                self.gap = max(self.gap, now - self._served)
            self._served, self._nobody = now, False
        else:
            self._nobody = True

    def _settled(self, tasks: Sequence[Task]) -> bool:
        return all(self._now() - self._since.get(task.id, self._now()) >= self._settle for task in tasks)

    def _failure(self, task: Task) -> str:
        return with_log(task.trouble(), self._cluster.tail(task))
