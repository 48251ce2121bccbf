"""The berths of a run: taken when a stage begins, watched while it runs, given back when its result is recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import EcluseError, EngineError, NodeLostError
from pipeline.executors.swarm.berth import ROLE_BERTH, Room, berth_name, berth_service, impossible, same_berth
from pipeline.executors.swarm.cluster import Cluster, Node, Task
from pipeline.model.container import ContainerSpec
from pipeline.model.identity import RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.settings import Settings

SOON, OFTEN = 0.05, 0.5
"""Seconds between two looks: at a service that is about to start, and at those that run."""
NODE_TOO = 40
"""Every so many looks at a service that does not start, its node is looked at too."""
AHEAD = 2
AGAIN = "it runs again where that does no harm"

Key = tuple[str, int]
"""Stage and attempt."""


@dataclass(kw_only=True, slots=True)
class Berth:
    """A place that a stage has. `lost` says why it has it no more."""

    service: str
    task: str
    node: str
    found: bool
    """Whether another process had taken it."""
    lost: str = ""
    waking: list[Callable[[], None]] = field(default_factory=list)


class Berths:
    """May be called from several threads."""

    def __init__(self, cluster: Cluster, run: RunIdentity, settings: Settings) -> None:
        self._cluster = cluster
        self._run = run
        self._settings = settings
        self._image = cluster.pinned(settings.swarm_image)
        self._lock = threading.Lock()
        self._taken: dict[Key, Berth] = {}
        self._ahead: dict[Key, Future[str]] = {}
        self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="berth")
        self._watched: dict[str, Berth] = {}
        self._watching = threading.Condition()
        self._ended = False
        self.nodes: set[str] = set()
        """Where the run has, or had, a place: what it left there has to go."""
        threading.Thread(target=self._watch, name="swarm", daemon=True).start()

    @property
    def image(self) -> str:
        """What our programs on nodes run in."""
        return self._image

    def prepare(self, spec: ContainerSpec) -> None:
        """Ask for a berth ahead; not for one that would keep room from a stage that this one may wait for."""
        if Room.of(spec, self._settings) != Room():
            return
        key = (spec.stage, spec.attempt)
        with self._lock:
            if self._ended or key in self._taken or key in self._ahead:
                return
            self._ahead[key] = self._pool.submit(self._create, spec)

    def take(self, spec: ContainerSpec, note: Callable[[str], None], cancel: Cancellation) -> Berth | None:
        """Wait until the stage has its place; None when it was cancelled before. The same for all steps of an attempt.

        NodeLostError where another process had taken it and it is gone; EngineError where it can never be.
        """
        key = (spec.stage, spec.attempt)
        with self._lock:
            known, ahead = self._taken.get(key), self._ahead.pop(key, None)
        if known is not None:
            if known.lost:
                raise NodeLostError(known.lost, hint=AGAIN)
            return known
        service = self._asked(ahead)
        found = False
        if not service:
            service, found = self._find_or_create(spec)
        task = self._await(spec, service, found, note, cancel)
        if task is None:
            self._cluster.remove(service)
            return None
        berth = Berth(service=service, task=task.id, node=task.node, found=found)
        with self._lock:
            self._taken[key] = berth
        return berth

    @contextmanager
    def watched(self, berth: Berth, wake: Callable[[], None]) -> Iterator[None]:
        """While inside, `wake` is called when the berth is lost."""
        with self._watching:
            berth.waking.append(wake)
            self._watched[berth.service] = berth
            self._watching.notify_all()
        if berth.lost:
            wake()
        try:
            yield
        finally:
            with self._watching:
                berth.waking.remove(wake)
                if not berth.waking:
                    self._watched.pop(berth.service, None)

    def of(self, stage: str) -> list[Berth]:
        """Those that this stage's attempts have."""
        with self._lock:
            return [berth for (name, _), berth in self._taken.items() if name == stage]

    def give_back(self, stage: str) -> None:
        """Let the stage's places go."""
        with self._lock:
            going = [self._taken.pop(key) for key in [key for key in self._taken if key[0] == stage]]
        for berth in going:
            self._cluster.remove(berth.service)

    def close(self) -> None:
        """Ask for no more, and watch no more; what is there goes by its labels."""
        with self._lock:
            self._ended = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._watching:
            self._watching.notify_all()

    def _asked(self, ahead: Future[str] | None) -> str:
        if ahead is None or ahead.cancel():
            return ""
        try:
            return ahead.result()
        except EcluseError:
            return ""  # it is asked for again, and then it is said

    def _wanted(self, spec: ContainerSpec) -> dict[str, Any]:
        return berth_service(spec, self._run, self._settings, image=self._image)

    def _create(self, spec: ContainerSpec) -> str:
        return self._cluster.create(self._wanted(spec))

    def _find_or_create(self, spec: ContainerSpec) -> tuple[str, bool]:
        """A service that another process made for this attempt, or a new one; whether it was found."""
        found = self._cluster.service(berth_name(self._run, spec.stage, spec.attempt))
        wanted = self._wanted(spec)
        if found is not None:
            if same_berth(found, wanted):
                return str(found["ID"]), True
            self._cluster.remove(str(found["ID"]))
        if why := impossible(Room.of(spec, self._settings), self._cluster.nodes().values()):
            raise EngineError(
                f"stage '{spec.stage}': {why}", hint="ask for less under `resources`, or add a node to the swarm"
            )
        return self._cluster.create(wanted), False

    def _await(
        self, spec: ContainerSpec, service: str, found: bool, note: Callable[[str], None], cancel: Cancellation
    ) -> Task | None:
        said, looks = "", 0
        while not cancel.cancelled:
            task = next(iter(self._cluster.tasks([service])), None)
            if task is not None:
                looks += 1
                self.nodes.add(task.node)
                gone = (task.holds or (task.node and not looks % NODE_TOO)) and _gone(task, self._cluster.nodes())
                if task.holds and not gone:
                    return task
                if task.over or gone:
                    self._cluster.remove(service)
                    raise self._without(spec, task, lost=gone or found)
                if task.words and task.words != said and task.state == "pending":
                    said = task.words
                    note(f"waiting for a place in the swarm: {said}")
            cancel.wait(SOON if not said else OFTEN)
        return None

    def _without(self, spec: ContainerSpec, task: Task, *, lost: bool) -> EcluseError:
        where = self._cluster.nodes().get(task.node)
        name = where.name if where else "its node"
        if lost:
            return NodeLostError(
                f"the place of stage '{spec.stage}' on {name} is lost (its service there: {task.state})", hint=AGAIN
            )
        words = task.words or f"it is {task.state}"
        return EngineError(
            f"the swarm cannot make a place for stage '{spec.stage}' on {name}: {words}",
            hint=f"nodes need {self._settings.swarm_socket} and the image {self._settings.swarm_image}; "
            "`docker service ps` on a manager says more",
        )

    def _watch(self) -> None:
        """Until `close`: look after all that are watched."""
        while True:
            with self._watching:
                self._watching.wait_for(lambda: self._watched or self._ended)
                if self._ended:
                    return
                watched = dict(self._watched)
            try:
                there = {str(item["ID"]) for item in self._cluster.services(self._run.labels(ROLE_BERTH))}
                tasks = {task.id: task for task in self._cluster.tasks(there & watched.keys())}
                nodes = self._cluster.nodes()
            except EcluseError:
                tasks, nodes = {}, {}  # no manager answers just now: what runs goes on
            for berth in watched.values() if nodes else ():
                if not berth.lost and (why := _why_lost(berth, tasks.get(berth.task), nodes)):
                    self._lose(berth, why)
            with self._watching:
                self._watching.wait_for(lambda: self._ended, OFTEN)

    def _lose(self, berth: Berth, why: str) -> None:
        with self._watching:
            berth.lost = why
            waking = list(berth.waking)
        for wake in waking:
            wake()


def _gone(task: Task, nodes: Mapping[str, Node]) -> bool:
    node = nodes.get(task.node)
    return node is None or node.down


def _why_lost(berth: Berth, task: Task | None, nodes: Mapping[str, Node]) -> str:
    """What happened to a berth; "" where it is as it was."""
    node = nodes.get(berth.node)
    if node is None:
        return "its node has left the swarm"
    if node.down:
        return f"node {node.name} is lost: the swarm has not heard of it for too long"
    if task is None:
        return f"its service on {node.name} was removed from the swarm"
    if task.over:
        return f"its service on {node.name} was ended by the swarm ({task.words or task.state})"
    return ""
