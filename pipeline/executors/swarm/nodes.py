"""The nodes that a run uses: on each an ordinary session of the Docker executor, reached through a passage."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.dockerapi import address, connect, disconnect, translating
from pipeline.errors import EcluseError, EngineError
from pipeline.executors.docker.depot import Depot
from pipeline.executors.docker.session import DockerSession
from pipeline.executors.docker.slots import layers_of
from pipeline.executors.swarm.cluster import Cluster, Node
from pipeline.executors.swarm.doors import Doors
from pipeline.executors.swarm.lines import Line, dial
from pipeline.executors.swarm.passage import Passage
from pipeline.model.identity import RunIdentity
from pipeline.settings import Settings

if TYPE_CHECKING:
    from docker import APIClient


@dataclass(kw_only=True, slots=True)
class Mooring:
    """What a run has on one node. `layers`: those that are complete there, each with its digest in the store, or ""
    where it was made there and never left."""

    node: Node
    settings: Settings
    session: DockerSession
    passage: Passage | None
    layers: dict[str, str] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def client(self) -> APIClient:
        """Its engine. EngineUnreachableError and kin."""
        return connect(self.settings)

    def cut(self) -> None:
        """Give it up: whoever waits for its engine wakes with an error."""
        if self.passage is not None:
            self.passage.close()


class Roads:
    """How engines of nodes are reached: the manager's own as it is, others by an address or through a door."""

    def __init__(self, settings: Settings, cluster: Cluster, doors: Callable[[], Doors]) -> None:
        self._settings = settings
        self._cluster = cluster
        self._doors = doors
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._made = 0

    def to(self, node: Node) -> tuple[Settings, Passage | None]:
        """Settings with which a client of the Docker Engine comes to that node's."""
        if node.id == self._cluster.own:
            return replace(self._settings, docker_host=address(self._settings)), None
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="ecluse-"))
            self._made += 1
            path = self._folder / f"{self._made}.sock"
        passage = Passage(path, lambda: self._line(node))
        return replace(self._settings, docker_host=passage.address), passage

    def forget(self, node: Node) -> None:
        """Its engine does not answer: find another way."""
        if not self._settings.swarm_engines:
            self._doors().forget(node)

    def close(self) -> None:
        """Remove the folder of sockets."""
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _line(self, node: Node) -> Line:
        template = self._settings.swarm_engines
        if template:
            return dial(template.replace("{hostname}", node.name).replace("{address}", node.address))
        return self._doors().line(node)


class Nodes:
    """Moorings by node, made when they are first needed. May be called from several threads."""

    def __init__(self, settings: Settings, cluster: Cluster, run: RunIdentity, roads: Roads, *, lanes: int) -> None:
        self._settings = settings
        self._cluster = cluster
        self._run = run
        self._roads = roads
        self._lanes = lanes
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._moored: dict[str, Mooring] = {}

    @property
    def moored(self) -> tuple[Mooring, ...]:
        """Those in use."""
        with self._lock:
            return tuple(self._moored.values())

    def at(self, node: str) -> Mooring:
        """The mooring on a node, by its id. Raises EngineError and kin."""
        with self._lock:
            mine = self._making.setdefault(node, threading.Lock())
        with mine:
            with self._lock:
                known = self._moored.get(node)
            if known is None:
                known = self._moor(node)
                with self._lock:
                    self._moored[node] = known
            return known

    def own(self) -> Mooring:
        """That beside the manager's engine, which is always there."""
        return self.at(self._cluster.own)

    def lose(self, node: str) -> None:
        """Give a node up that is out of reach. Its containers and layers count no more; should it come back, it is
        moored anew."""
        with self._lock:
            gone = self._moored.pop(node, None)
        if gone is not None:
            gone.cut()
            disconnect(gone.settings.docker_host)

    def mend(self, node: str) -> bool:
        """Whether the engine of a node answers, if need be another way."""
        mooring = next((item for item in self.moored if item.node.id == node), None)
        if mooring is None:
            return True  # it is moored when it is asked for
        for _ in range(2):
            with suppress(EcluseError), translating("ask the engine of a node"):
                connect(mooring.settings).containers(filters={"label": "io.ecluse.none"})
                if mooring.session.failed:
                    mooring.session = DockerSession(mooring.settings, self._run, lanes=self._lanes)
                return True
            self._roads.forget(mooring.node)
        return False

    def _moor(self, node: str) -> Mooring:
        found = self._cluster.nodes().get(node)
        if found is None:
            raise EngineError(
                f"node {node} has left the swarm", hint="`docker node ls` on a manager lists those it has"
            )
        settings, passage = self._roads.to(found)
        settings = replace(settings, workspace="overlay")
        try:
            client = connect(settings)
            layers = layers_of(client, self._run, Depot(client, self._run).volume)
        except EcluseError as error:
            if passage is not None:
                passage.close()
                if passage.trouble:
                    raise type(error)(f"{error.message} ({passage.trouble})", hint=error.hint) from error
            raise
        session = DockerSession(settings, self._run, lanes=self._lanes)
        return Mooring(
            node=found, settings=settings, session=session, passage=passage, layers=dict.fromkeys(layers, "")
        )


def down(nodes: Mapping[str, Node], node: str) -> bool:
    """Whether nothing can be asked of a node."""
    found = nodes.get(node)
    return found is None or not found.ready
