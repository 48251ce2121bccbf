"""One container's stay on a node: run in a thread that can be given up, for a node that is lost answers no more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from pipeline.dockerapi import translating
from pipeline.errors import EngineBusyError, EngineUnreachableError, NodeLostError
from pipeline.executors.swarm.berths import AGAIN, Berth, Berths
from pipeline.executors.swarm.cluster import Cluster
from pipeline.executors.swarm.gate import Gate
from pipeline.executors.swarm.images import hand_over
from pipeline.executors.swarm.nodes import Mooring, Nodes
from pipeline.executors.swarm.workspace import SwarmWorkspace
from pipeline.model.container import ContainerSpec, Exit
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Output, Visitor

PATIENCE = 60.0
"""Seconds for which an engine that does not answer is asked again, while the swarm does not call its node lost."""
PAUSE = 0.5
FAREWELL = 5.0
"""Seconds that a thread whose node is lost has to notice it."""


class Stay:
    """Belongs to one call of `execute`."""

    def __init__(self, cluster: Cluster, berths: Berths, nodes: Nodes, workspace: SwarmWorkspace, berth: Berth) -> None:
        self._cluster = cluster
        self._berths = berths
        self._nodes = nodes
        self._workspace = workspace
        self._berth = berth
        self._gate = Gate()
        self._woken = threading.Event()
        self._ending: Exit | None = None
        self._error: BaseException | None = None

    def run(
        self,
        spec: ContainerSpec,
        *,
        output: Output,
        cancel: Cancellation,
        stdin: bytes,
        visitor: Visitor | None,
    ) -> Exit:
        """To the container's end. NodeLostError as soon as its place is lost: what it did there counts no more."""
        gated, guest = self._gate.output(output), self._gate.visitor(visitor)
        work = threading.Thread(
            target=self._work, args=(spec, gated, cancel, stdin, guest), name=f"stay-{spec.stage}", daemon=True
        )
        with self._berths.watched(self._berth, self._woken.set):
            work.start()
            self._woken.wait()
            if self._berth.lost:
                self._gate.shut()
                self._nodes.lose(self._berth.node)
                work.join(FAREWELL)
                raise NodeLostError(f"stage '{spec.stage}': {self._berth.lost}", hint=AGAIN) from self._error
        work.join()
        if self._error is not None:
            raise self._error
        assert self._ending is not None  # noqa: S101 # without an error there is one
        return self._ending

    def _work(
        self, spec: ContainerSpec, output: Output, cancel: Cancellation, stdin: bytes, visitor: Visitor | None
    ) -> None:
        try:
            self._ending = self._stubbornly(
                lambda mooring: self._once(mooring, spec, output, cancel, stdin, visitor), output
            )
        except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
            self._error = error
        finally:
            self._woken.set()

    def _once(
        self,
        mooring: Mooring,
        spec: ContainerSpec,
        output: Output,
        cancel: Cancellation,
        stdin: bytes,
        visitor: Visitor | None,
    ) -> Exit:
        if spec.view:
            self._workspace.bring(mooring, spec.view)
        for image in (spec.image, *(service.image for service in spec.services)):
            if hand_over(self._cluster.client, mooring, image):
                output.note(f"image {image} handed to node {mooring.node.name}")
        ending = mooring.session.execute(spec, output=output, cancel=cancel, stdin=stdin, visitor=visitor)
        if spec.view:
            self._workspace.keep(mooring, spec.view)
        return ending

    def _stubbornly(self, act: Callable[[Mooring], Exit], output: Output) -> Exit:
        """Again where the connection broke and the node is not lost: the container is found by its name, and heard
        from its first byte."""
        since: float | None = None
        while True:
            began = monotonic()
            try:
                with translating("reach the node of a stage"):
                    return act(self._nodes.at(self._berth.node))
            except (EngineBusyError, EngineUnreachableError) as error:
                now = monotonic()
                since = now if since is None or now - began > PATIENCE else since
                if not self._mended(since + PATIENCE):
                    raise
                output.note(f"the connection to its node broke ({error.message}): attached again")

    def _mended(self, until: float) -> bool:
        """Whether the node's engine answers again in time."""
        while not self._berth.lost and monotonic() < until:
            Cancellation().wait(PAUSE)
            if self._nodes.mend(self._berth.node):
                return True
        return False
