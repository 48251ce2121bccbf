"""A run's session on a Docker Engine: it owns all that the run creates there, from first use to `close`."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.dockerapi import address, connect
from pipeline.errors import EcluseError, EngineError, EngineUnreachableError
from pipeline.executors.docker import sweep
from pipeline.executors.docker.attendance import Attendance
from pipeline.executors.docker.container_config import Surroundings, variables_of
from pipeline.executors.docker.depot import Depot
from pipeline.executors.docker.engine_facts import boot_of, choose_workspace
from pipeline.executors.docker.exchanges import Exchanges
from pipeline.executors.docker.layers import Layers
from pipeline.executors.docker.placement import Placement
from pipeline.executors.docker.pulling import Pulls
from pipeline.executors.docker.reaper import Reaper
from pipeline.executors.docker.remains import Remains
from pipeline.executors.docker.rights import check_rights
from pipeline.executors.docker.sandbox import Sandboxes
from pipeline.executors.docker.slots import Slots
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
    remains: Remains
    depot: Depot

    def keep(self, stage: str) -> None:
        """Leave what the stage's last attempt left, and the folders that its layers are in."""
        overlay = self.layers.name == "overlay"
        self.remains.keep(stage, (("volume", self.depot.volume), ("container", self.depot.keeper)) if overlay else ())

    def rest(self) -> None:
        """Wait until nothing is being made any more, and leave the layers as they are."""
        self.sandboxes.close({name for _, name in self.remains.kept})
        self.remains.release_all()
        self.reaper.drain()
        self.reaper.stop()

    def end(self, run: RunIdentity) -> bool:
        """Wait until nothing is being made any more, and remove what the run made; whether nothing can be left.

        The volumes go as soon as the stages' containers are gone: that takes its time, and so does ending a sandbox.
        Raises EngineError naming what stayed.
        """
        alone = self.sandboxes.none
        kept = {name for _, name in self.remains.kept}
        aside = threading.Thread(target=self.sandboxes.close, args=(kept,), name="sandboxes")
        aside.start()
        self.remains.release_all()
        if self.depot.keeper not in kept:
            self.depot.close(self.reaper)
        self.reaper.drain()
        self.reaper.stop()
        self.layers.close()
        left = sweep.going(sweep.find(self.client, run.installation, run.run))
        if alone:
            sweep.remove(self.client, left)
            return True
        with suppress(EngineError):  # what cannot go yet is met again by the last sweep, which says it
            sweep.remove(self.client, [item for item in left if item.kind == "volume"])
        aside.join()
        return False


class DockerSession:
    """Implements `pipeline.ports.executor.Session`."""

    def __init__(self, settings: Settings, run: RunIdentity, *, lanes: int) -> None:
        self._settings = settings
        self._run = run
        self._small = lanes == 0
        self._sandboxes = Sandboxes(partial(connect, settings), run, lanes=lanes)
        self._pool = ThreadPoolExecutor(PREPARERS, thread_name_prefix="prepare")
        self._lock = threading.Lock()
        self._closed = False
        self._preparing: dict[str, Future[None]] = {}
        self._grounds: Future[Grounds] = self._pool.submit(self._settle)

    @property
    def workspace(self) -> Workspace:
        """The run's layers; the first use waits for the engine."""
        self._check_open()
        return self._grounds.result().layers

    @property
    def failed(self) -> bool:
        """Whether the engine gave it nothing to stand on: then it never will run anything."""
        return self._grounds.done() and (self._grounds.cancelled() or self._grounds.exception() is not None)

    def prepare(self, spec: ContainerSpec) -> None:
        """Create the container ahead, in the background. What goes wrong here is met again by `execute`."""
        if spec.services or spec.network is not Network.SHARED:
            return
        self._sandboxes.open()
        with self._lock:
            if not self._closed:
                self._preparing[spec.stage] = self._pool.submit(self._prepare, spec)

    def soonest(self, stages: Sequence[str]) -> int:
        """One whose container joins a free sandbox; else one that no container binds to a busy one."""
        grounds = self._settled()
        return grounds.placement.soonest(stages) if grounds is not None else 0

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
        check_rights(spec, self._settings)
        self._check_open()
        if not spec.services and spec.network is Network.SHARED:
            self._sandboxes.open()
        with self._lock:
            preparing = self._preparing.pop(spec.stage, None)
        if preparing is not None and not preparing.cancel():
            preparing.result()
        grounds = self._grounds.result()
        attendance = Attendance(output=output, cancel=cancel, stdin=stdin, visitor=visitor)
        if spec.services:
            return _accompanied(grounds, spec, attendance)
        return grounds.placement.execute(spec, attendance)

    def release(self, stage: str) -> None:
        """Remove the stage's containers behind the scenes."""
        if (grounds := self._settled()) is not None:
            grounds.remains.release(stage)

    def keep(self, stage: str) -> None:
        """Leave what the stage left, and mark it on the engine."""
        if (grounds := self._settled()) is not None:
            grounds.keep(stage)

    def park(self) -> None:
        """Remove everything of this run but its layers."""
        if self._end() and self._reached():
            if self._grounds.exception() is None:
                self._grounds.result().rest()
            else:
                self._sandboxes.close()
            self._sweep(spare=frozenset({ROLE_WORKSPACE}))

    def close(self) -> None:
        """Remove everything of this run; called again, what a stage under way has made behind the first call's back."""
        first = self._end()
        if self._reached():
            if first and self._grounds.exception() is None:
                swept = self._grounds.result().end(self._run)
            else:
                self._sandboxes.close()
                swept = False
            if not swept:
                self._sweep()

    def _end(self) -> bool:
        """Begin nothing more; False when that was done already."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        return True

    def _reached(self) -> bool:
        """Whether there ever was an engine that could have been given anything."""
        return not (self._grounds.cancelled() or isinstance(self._grounds.exception(), EngineUnreachableError))

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError(
                "the run has been ended: nothing is begun any more", hint="`ecluse retry` does what is left"
            )

    def _sweep(self, *, spare: frozenset[str] = frozenset()) -> None:
        client = connect(self._settings)
        sweep.remove(client, sweep.going(sweep.find(client, self._run.installation, self._run.run, spare=spare)))

    def _settled(self) -> Grounds | None:
        """The grounds once they are there, without waiting for them."""
        grounds = self._grounds
        ready = grounds.done() and not grounds.cancelled() and grounds.exception() is None
        return grounds.result() if ready else None

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
        depot = Depot(client, run, small=self._small)
        with ThreadPoolExecutor(1) as aside:
            asked = aside.submit(choose_workspace, client, settings)
            if certificates or settings.workspace != "copy":
                _ = depot.mountpoint  # while the engine answers the other question
            kind = asked.result()
        if certificates or kind == "overlay":
            depot.furnish(_bundle(certificates) if certificates else b"")
        slots = Slots(client, run, depot)
        layers = _layers(kind, client, run, depot, slots, settings)
        around = Surroundings(
            settings=settings,
            run=run,
            boot=boot_of(address(settings)),
            variables=variables_of(settings, os.environ, certificates=bool(certificates)),
            certificates=f"{depot.mountpoint}/{CERTIFICATES}" if certificates else "",
        )
        reaper, sandboxes = Reaper(), self._sandboxes
        remains = Remains(client, run, reaper)
        placement = Placement(
            client,
            around,
            layers=layers,
            sandboxes=sandboxes,
            remains=remains,
            exchanges=Exchanges(client, run, depot, slots),
            pulls=Pulls(client),
            settled=depot.settled,
        )
        return Grounds(
            client=client,
            layers=layers,
            sandboxes=sandboxes,
            placement=placement,
            reaper=reaper,
            remains=remains,
            depot=depot,
        )


def _accompanied(grounds: Grounds, spec: ContainerSpec, attendance: Attendance) -> Exit:
    """Run a stage beside its services: those that stand beside a container found again, or new ones."""
    from pipeline.executors.docker.services import Company

    placement = grounds.placement
    company = Company(
        grounds.client, placement.around, spec, attendance, pulls=placement.pulls, remains=grounds.remains
    )
    try:
        if placement.begun(spec):
            company.found()
        else:
            company.stand()
        return placement.execute(spec, attendance, network=company.network)
    finally:
        company.leave()


def _layers(kind: str, client: APIClient, run: RunIdentity, depot: Depot, slots: Slots, settings: Settings) -> Layers:
    if kind == "overlay":
        return OverlayWorkspace(client, run, depot, slots)
    from pipeline.executors.docker.workspace_copy import CopyWorkspace

    return CopyWorkspace(client, run, settings.home / "workspaces" / run.run)


def _bundle(certificates: bytes) -> bytes:
    from pipeline.executors.docker.tar_blocks import END, file_blocks

    return file_blocks(CERTIFICATES, certificates) + END
