"""The swarm executor: the swarm chooses a node for each attempt of a stage, that node's engine runs it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from pipeline.dockerapi import address, connect
from pipeline.errors import EcluseError, EngineError, NotFoundError
from pipeline.executors.swarm.cluster import Cluster, Node
from pipeline.executors.swarm.doors import Doors
from pipeline.executors.swarm.nodes import Roads
from pipeline.executors.swarm.remnants import find, remove
from pipeline.executors.swarm.session import SwarmSession
from pipeline.executors.swarm.shelf import Layers
from pipeline.model.identity import TRIAL, RunIdentity
from pipeline.ports.console import Console
from pipeline.ports.executor import ExecutorInfo, Leftover, Session
from pipeline.ports.storage import Shelf
from pipeline.settings import Settings

Found = TypeVar("Found")


class SwarmExecutor:
    """Implements `pipeline.ports.executor.Executor`. Holds nothing open; safe for several threads."""

    name = "swarm"

    def __init__(self, settings: Settings, shelf: Shelf) -> None:
        """`shelf` is where layers go between nodes, and where another runner finds them."""
        self._settings = settings
        self._shelf = shelf

    def warm(self) -> None:
        """Import the client and say hello to the manager while the caller reads its files."""
        threading.Thread(target=self._connect, name="warm", daemon=True).start()

    def _connect(self) -> None:
        with suppress(EcluseError):  # the session will meet it again, and say it
            connect(self._settings)

    def probe(self) -> ExecutorInfo:
        """The manager's version, and how many nodes are ready."""
        cluster = Cluster(self._settings)
        nodes = cluster.nodes().values()
        ready = [node for node in nodes if node.ready]
        return ExecutorInfo(
            name=self.name,
            version=cluster.version,
            workspace="overlay",
            details={
                "address": address(self._settings),
                "api": cluster.client.api_version,
                "nodes": f"{len(ready)} of {len(nodes)} ready",
                "processors": f"{sum(node.cpus for node in ready):g}",
                "memory": str(sum(node.memory for node in ready)),
                "away": ", ".join(sorted(node.name for node in nodes if not node.ready)),
            },
        )

    def open(self, run: RunIdentity, *, lanes: int, stages: int = 20) -> Session:
        """A session that speaks to the manager when it is first asked for something."""
        return SwarmSession(self._settings, run, self._shelf, lanes=lanes)

    def lost(self, run: RunIdentity, layers: Sequence[str]) -> frozenset[str]:
        """Those that the store has no more."""
        return Layers(Cluster(self._settings), run, self._shelf).lost(layers)

    def enter(self, run: RunIdentity, stage: str, *, command: Sequence[str], secrets: bytes, console: Console) -> int:
        """Run a command in a copy of the stage's kept container, on the node where it is."""
        from pipeline.executors.docker import shell, sweep

        def enter(_: Node, settings: Settings) -> int | None:
            client = connect(settings)
            if not any(item.kept for item in sweep.find(client, run.installation, run.run)):
                return None
            with suppress(NotFoundError):
                return shell.enter(client, run, stage, command=command, secrets=secrets, console=console)
            return None

        codes = [code for code in self._on_nodes(enter, one_by_one=True) if code is not None]
        if not codes:
            raise NotFoundError(
                f"nothing of stage '{stage}' was kept on the nodes that answer",
                hint="run with --keep-failed, and see `docker node ls`",
            )
        return codes[0]

    def leftovers(self, installation: str) -> tuple[Leftover, ...]:
        """What runs of this installation have left with the managers and on the nodes that answer."""
        return find(Cluster(self._settings), installation, self._on_nodes)

    def remove(self, leftovers: tuple[Leftover, ...]) -> None:
        """Remove them."""
        remove(Cluster(self._settings), self._shelf, leftovers, self._on_nodes)

    def _on_nodes(self, act: Callable[[Node, Settings], Found], *, one_by_one: bool = False) -> list[Found]:
        """Do something on every node that is ready; EngineError naming those where it could not be done."""
        cluster = Cluster(self._settings)
        run = RunIdentity(installation=self._settings.installation, run=f"{TRIAL}{secrets.token_hex(8)}")
        doors = Doors(cluster, run, self._settings, image=cluster.pinned(self._settings.swarm_image))
        roads = Roads(self._settings, cluster, lambda: doors)
        nodes = [node for node in cluster.nodes().values() if node.ready]

        def visit(node: Node) -> Found:
            settings, passage = roads.to(node)
            try:
                return act(node, settings)
            except EngineError as error:
                raise EngineError(f"{node.name}: {error.message}", hint=error.hint) from error
            finally:
                if passage is not None:
                    passage.close()

        try:
            with ThreadPoolExecutor(1 if one_by_one else max(1, len(nodes)), thread_name_prefix="nodes") as pool:
                return list(pool.map(visit, nodes))
        finally:
            if not self._settings.swarm_engines:
                doors.close()
            roads.close()
