"""A run's session on a Docker Engine: it owns all that the run creates there, from first use to `close`."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.dockerapi import address, connect
from pipeline.errors import EcluseError, EngineError, EngineUnreachableError
from pipeline.executors.docker import sweep
from pipeline.executors.docker.container_config import Surroundings, variables_of
from pipeline.executors.docker.depot import Depot
from pipeline.executors.docker.engine_facts import boot_of, choose_workspace
from pipeline.executors.docker.layers import Layers
from pipeline.executors.docker.placement import Placement
from pipeline.executors.docker.pulling import Pulls
from pipeline.executors.docker.reaper import Reaper
from pipeline.executors.docker.sandbox import Sandboxes
from pipeline.executors.docker.workspace_overlay import OverlayWorkspace
from pipeline.model.container import ContainerSpec, Exit, Network
from pipeline.model.identity import ROLE_WORKSPACE, RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Output, Visitor
from pipeline.ports.workspace import Workspace
from pipeline.settings import Settings, certificate_bundle

if TYPE_CHECKING:
    from docker import APIClient

CERTIFICATES = "certificates.crt"
PREPARERS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Grounds:
    """What a session stands on once the engine has answered."""

    client: APIClient
    layers: Layers
    sandboxes: Sandboxes
    placement: Placement
    reaper: Reaper
    depot: Depot

    def rest(self) -> None:
        """Wait until nothing is being made any more, and leave the layers as they are."""
        self.sandboxes.close()
        self.reaper.drain()
        self.reaper.stop()

    def end(self, run: RunIdentity) -> None:
        """Wait until nothing is being made any more, and remove what the run made.

        The volumes go as soon as the stages' containers are gone: that takes its time, and so does ending a sandbox.
        """
        aside = threading.Thread(target=self.sandboxes.close, name="sandboxes")
        aside.start()
        self.depot.close(self.reaper)
        self.reaper.drain()
        self.reaper.stop()
        self.layers.close()
        left = sweep.find(self.client, run.installation, run.run)
        with suppress(EngineError):  # what cannot go yet is met again by the last sweep, which says it
            sweep.remove(self.client, [item for item in left if item.kind == "volume"])
        aside.join()


class DockerSession:
    """Implements `pipeline.ports.executor.Session`."""

    def __init__(self, settings: Settings, run: RunIdentity, *, lanes: int) -> None:
        self._settings = settings
        self._run = run
        self._lanes = lanes
        self._pool = ThreadPoolExecutor(PREPARERS, thread_name_prefix="prepare")
        self._lock = threading.Lock()
        self._closed = False
        self._preparing: dict[str, Future[None]] = {}
        self._grounds: Future[Grounds] = self._pool.submit(self._settle)

    @property
    def workspace(self) -> Workspace:
        """The run's layers; the first use waits for the engine."""
        return self._grounds.result().layers

    def prepare(self, spec: ContainerSpec) -> None:
        """Create the container ahead, in the background. What goes wrong here is met again by `execute`."""
        if spec.services or spec.network is not Network.SHARED:
            return
        with self._lock:
            if not self._closed:
                self._preparing[spec.stage] = self._pool.submit(self._prepare, spec)

    def soonest(self, stages: Sequence[str]) -> int:
        """One whose container joins a free sandbox; else one that no container binds to a busy one."""
        grounds = self._grounds
        settled = grounds.done() and not grounds.cancelled() and grounds.exception() is None
        return grounds.result().placement.soonest(stages) if settled else 0

    def execute(
        self,
        spec: ContainerSpec,
        *,
        output: Output,
        cancel: Cancellation,
        stdin: bytes = b"",
        visitor: Visitor | None = None,
    ) -> Exit:
        """Run a container to its end; see the port."""
        with self._lock:
            preparing = self._preparing.pop(spec.stage, None)
        if preparing is not None and not preparing.cancel():
            preparing.result()
        grounds = self._grounds.result()
        placement = grounds.placement
        if spec.services:
            from pipeline.executors.docker.services import standing

            found = placement.find(spec, output=output, cancel=cancel)
            if found is not None:
                return found
            with standing(grounds.client, placement.around, spec, placement.pulls, output, cancel) as network:
                return placement.execute(spec, output=output, cancel=cancel, stdin=stdin, network=network)
        return placement.execute(spec, output=output, cancel=cancel, stdin=stdin)

    def release(self, stage: str) -> None:
        """Nothing yet: containers go when they end."""

    def keep(self, stage: str) -> None:
        """Nothing yet."""

    def park(self) -> None:
        """Remove everything of this run but its layers."""
        if self._end():
            if self._grounds.exception() is None:
                self._grounds.result().rest()
            self._sweep(spare=frozenset({ROLE_WORKSPACE}))

    def close(self) -> None:
        """Remove everything of this run."""
        if self._end():
            if self._grounds.exception() is None:
                self._grounds.result().end(self._run)
            self._sweep()

    def _end(self) -> bool:
        """Begin nothing more; False when there is nothing to remove, or that was done already."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        return not (self._grounds.cancelled() or isinstance(self._grounds.exception(), EngineUnreachableError))

    def _sweep(self, *, spare: frozenset[str] = frozenset()) -> None:
        client = connect(self._settings)
        sweep.remove(client, sweep.find(client, self._run.installation, self._run.run, spare=spare))

    def _prepare(self, spec: ContainerSpec) -> None:
        try:
            self._grounds.result().placement.prepare(spec)
        except EcluseError:
            # execute will say it
            return

    def _settle(self) -> Grounds:
        settings, run = self._settings, self._run
        client = connect(settings)
        bundle = certificate_bundle(settings)
        certificates = bundle.read_bytes() if bundle else b""
        depot = Depot(client, run)
        with ThreadPoolExecutor(1) as aside:
            asked = aside.submit(choose_workspace, client, settings)
            if certificates or settings.workspace != "copy":
                _ = depot.mountpoint  # while the engine answers the other question
            kind = asked.result()
        if certificates or kind == "overlay":
            depot.furnish(_bundle(certificates) if certificates else b"")
        layers = _layers(kind, client, run, depot, settings)
        around = Surroundings(
            settings=settings,
            run=run,
            boot=boot_of(address(settings)),
            variables=variables_of(settings, os.environ, certificates=bool(certificates)),
            certificates=f"{depot.mountpoint}/{CERTIFICATES}" if certificates else "",
        )
        reaper, sandboxes = Reaper(), Sandboxes(client, run, lanes=self._lanes)
        placement = Placement(
            client,
            around,
            layers=layers,
            sandboxes=sandboxes,
            reaper=reaper,
            pulls=Pulls(client),
            settled=depot.settled,
        )
        return Grounds(
            client=client, layers=layers, sandboxes=sandboxes, placement=placement, reaper=reaper, depot=depot
        )


def _layers(kind: str, client: APIClient, run: RunIdentity, depot: Depot, settings: Settings) -> Layers:
    if kind == "overlay":
        return OverlayWorkspace(client, run, depot)
    from pipeline.executors.docker.workspace_copy import CopyWorkspace

    return CopyWorkspace(client, run, settings.home / "workspaces" / run.run)


def _bundle(certificates: bytes) -> bytes:
    from pipeline.executors.docker.tar_blocks import END, file_blocks

    return file_blocks(CERTIFICATES, certificates) + END
