"""A run's session on a swarm: a berth for each attempt of a stage, a mooring on each node that has one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pipeline.errors import EcluseError, EngineError, EngineUnreachableError, SettingsError
from pipeline.executors.docker.lifetime import STOPPED
from pipeline.executors.docker.rights import check_rights
from pipeline.executors.swarm.berths import Berths
from pipeline.executors.swarm.cluster import Cluster
from pipeline.executors.swarm.doors import Doors, sweep_doors
from pipeline.executors.swarm.nodes import Nodes, Roads, down
from pipeline.executors.swarm.shelf import Layers
from pipeline.executors.swarm.stay import Stay
from pipeline.executors.swarm.workspace import SwarmWorkspace
from pipeline.model.container import ContainerSpec, Exit
from pipeline.model.identity import LABEL_INSTALLATION, LABEL_RUN, RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Output, Visitor
from pipeline.ports.storage import Shelf
from pipeline.ports.workspace import Workspace
from pipeline.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Harbour:
    """What a session stands on once a manager has answered."""

    cluster: Cluster
    berths: Berths
    roads: Roads
    nodes: Nodes
    layers: Layers
    workspace: SwarmWorkspace


class SwarmSession:
    """Implements `pipeline.ports.executor.Session`."""

    def __init__(self, settings: Settings, run: RunIdentity, shelf: Shelf, *, lanes: int) -> None:
        self._settings = settings
        self._run = run
        self._shelf = shelf
        self._lanes = lanes
        self._lock = threading.Lock()
        self._harbour: Harbour | None = None
        self._closed = False
        self._aside = ThreadPoolExecutor(2, thread_name_prefix="swarm-aside")

    @property
    def workspace(self) -> Workspace:
        """The run's layers."""
        return self._reach().workspace

    def prepare(self, spec: ContainerSpec) -> None:
        """Ask the swarm for a place ahead."""
        with suppress(EcluseError):  # execute will meet it again, and say it
            self._reach().berths.prepare(spec)

    def soonest(self, stages: Sequence[str]) -> int:
        """All the same: the swarm decides when there is room."""
        return 0

    def execute(
        self,
        spec: ContainerSpec,
        *,
        output: Output,
        cancel: Cancellation,
        stdin: bytes = b"",
        visitor: Visitor | None = None,
    ) -> Exit:
        """Wait for a place, and run the container there to its end; see the port. NodeLostError where the place is
        lost meanwhile."""
        check_rights(spec, self._settings)
        harbour = self._reach()
        if cancel.cancelled:
            return Exit(code=STOPPED, cancelled=True)
        berth = harbour.berths.take(spec, output.note, cancel)
        if berth is None:
            return Exit(code=STOPPED, cancelled=True)
        stay = Stay(harbour.cluster, harbour.berths, harbour.nodes, harbour.workspace, berth)
        return stay.run(spec, output=output, cancel=cancel, stdin=stdin, visitor=visitor)

    def release(self, stage: str) -> None:
        """Give the stage's places back, and remove its containers, behind the scenes."""
        harbour = self._harbour
        if harbour is not None and not self._closed:
            for mooring in harbour.nodes.moored:
                mooring.session.release(stage)
            with suppress(RuntimeError):  # it is being closed: what is there goes by its labels
                self._aside.submit(self._give_back, harbour, stage)

    def keep(self, stage: str) -> None:
        """Leave what the stage left on the node where it ran last."""
        harbour = self._harbour
        if harbour is None:
            return
        nodes = {berth.node for berth in harbour.berths.of(stage)}
        for mooring in harbour.nodes.moored:
            if mooring.node.id in nodes:
                mooring.session.keep(stage)

    def park(self) -> None:
        """Remove all but the layers in the store."""
        self._end(layers=False)

    def close(self) -> None:
        """Remove everything of this run, also what a process before this one has left; nodes that are out of reach
        keep theirs until `gc` meets them again."""
        self._end(layers=True)

    def _end(self, *, layers: bool) -> None:
        with self._lock:
            first, self._closed = not self._closed, True
            harbour = self._harbour
        if harbour is None:
            try:
                harbour = self._settle()
            except EngineUnreachableError:
                return  # there never was anybody who could have been given anything
            with self._lock:
                self._harbour = harbour
        self._aside.shutdown(wait=True, cancel_futures=True)
        if first:
            harbour.berths.close()
        _complain([*self._clear(harbour, again=not first), *(_tried([harbour.layers.clear]) if layers else ())])

    def _clear(self, harbour: Harbour, *, again: bool) -> list[EcluseError]:
        """Remove what the run has in the swarm and on its nodes; what went wrong. `again`: only what has come since."""
        cluster = harbour.cluster
        labels = {LABEL_INSTALLATION: self._run.installation, LABEL_RUN: self._run.run}
        services = cluster.services(labels)
        used = {task.node for task in cluster.tasks(str(item["ID"]) for item in services)}
        used |= {item.node.id for item in harbour.nodes.moored}
        if not again:
            used |= harbour.berths.nodes | {stored.node for stored in harbour.layers.all()}
        problems = _tried([partial(cluster.remove, str(item["ID"])) for item in services])
        known = cluster.nodes()
        there = [node for node in used - {"", cluster.own} if not down(known, node)]
        problems += _tried([partial(_close, harbour.nodes, node) for node in there])
        problems += _tried([partial(sweep_doors, cluster, self._run)])
        if not again or cluster.own in used:
            problems += _tried([partial(_close, harbour.nodes, cluster.own)])
        for mooring in harbour.nodes.moored:
            harbour.nodes.lose(mooring.node.id)
        harbour.roads.close()
        return problems

    def _give_back(self, harbour: Harbour, stage: str) -> None:
        """The swarm removes what held the place."""
        with suppress(EcluseError):  # it goes by its labels at the end
            harbour.berths.give_back(stage)

    def _reach(self) -> Harbour:
        with self._lock:
            if self._closed:
                raise EngineError(
                    "the run has been ended: nothing is begun any more", hint="`ecluse retry` does what is left"
                )
            if self._harbour is None:
                self._harbour = self._settle()
            return self._harbour

    def _settle(self) -> Harbour:
        if self._settings.workspace == "copy":
            raise SettingsError(
                "the executor 'swarm' has only workspaces of layers, but the setting 'workspace' is 'copy'",
                hint="leave it out; nodes that cannot mount overlays can be kept out by `swarm_constraints`",
            )
        cluster = Cluster(self._settings)
        berths = Berths(cluster, self._run, self._settings)
        doors = Doors(cluster, self._run, self._settings, image=berths.image)
        roads = Roads(self._settings, cluster, lambda: doors)
        nodes = Nodes(self._settings, cluster, self._run, roads, lanes=self._lanes)
        layers = Layers(cluster, self._run, self._shelf)
        return Harbour(
            cluster=cluster,
            berths=berths,
            roads=roads,
            nodes=nodes,
            layers=layers,
            workspace=SwarmWorkspace(cluster, nodes, layers),
        )


def _close(nodes: Nodes, node: str) -> None:
    nodes.at(node).session.close()


def _tried(acts: Iterable[Callable[[], object]]) -> list[EcluseError]:
    """Do all of it, side by side; what went wrong."""
    wanted = list(acts)
    if not wanted:
        return []
    with ThreadPoolExecutor(len(wanted), thread_name_prefix="swarm-end") as pool:
        jobs = [pool.submit(act) for act in wanted]
    return [error for job in jobs if isinstance(error := job.exception(), EcluseError)] + _defects(jobs)


def _defects(jobs: Iterable[object]) -> list[EcluseError]:
    for job in jobs:
        error = job.exception()  # type: ignore[attr-defined]  # they are futures
        if error is not None and not isinstance(error, EcluseError):
            raise error
    return []


def _complain(problems: Sequence[EcluseError]) -> None:
    if problems:
        raise EngineError(
            "; ".join(error.message for error in problems), hint="`ecluse gc` removes what a run has left"
        )
