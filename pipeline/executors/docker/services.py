"""The containers that stand beside a stage, on a network of that stage alone: started, or found again."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.dockerapi import output_of, status_of, translating
from pipeline.errors import CancelledError, ImageNotFoundError, ServiceNotReadyError
from pipeline.executors.docker.attach import Attachment
from pipeline.executors.docker.attendance import Attendance
from pipeline.executors.docker.container_config import Surroundings, service_config
from pipeline.executors.docker.depot import create_container
from pipeline.executors.docker.lifetime import inspect
from pipeline.executors.docker.networks import create_network
from pipeline.executors.docker.pulling import Pulls
from pipeline.executors.docker.reaper import removing
from pipeline.executors.docker.remains import Remains
from pipeline.executors.docker.retelling import Told
from pipeline.executors.docker.service_output import Carrier
from pipeline.model.container import ContainerSpec
from pipeline.model.definition import ServiceDefinition

if TYPE_CHECKING:
    from docker import APIClient

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
TAIL = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Standing:
    """One service that has been started."""

    service: ServiceDefinition
    container: str


class Company:
    """The services of one stage attempt. Their containers and network are told to `remains`, which ends them."""

    def __init__(
        self,
        client: APIClient,
        around: Surroundings,
        spec: ContainerSpec,
        attendance: Attendance,
        *,
        pulls: Pulls,
        remains: Remains,
    ) -> None:
        self._client = client
        self._around = around
        self._spec = spec
        self._pulls = pulls
        self._output = attendance.output
        self._cancel = attendance.cancel
        self._carriers: list[Carrier] = []
        self._lock = threading.Lock()
        self.network = self._name("net")
        remains.company(spec, [self._name("service", item.name) for item in spec.services], self.network)

    def stand(self) -> None:
        """Start all on a network of their own and wait until they are ready; what a killed runner left goes first.

        Raises ServiceNotReadyError with the last words of a service that ended or was not ready in time.
        """
        for service in self._spec.services:
            name = self._name("service", service.name)
            removing(f"service {name} of a runner that was killed", lambda name=name: self._discard(name))  # type: ignore[misc]
        create_network(self._client, self._around.run, *self._parts("net"))
        with ThreadPoolExecutor(max(1, len(self._spec.services)), thread_name_prefix="service") as pool:
            starts = [pool.submit(self._start, service) for service in self._spec.services]
        for item in [start.result() for start in starts]:
            self._await_ready(item)

    def found(self) -> None:
        """The stage was found: tell what its services have printed, and go on listening."""
        for service in self._spec.services:
            name = self._name("service", service.name)
            if inspect(self._client, name) is not None:
                sink = self._output.service(service.name)
                sink.replaying()
                told = Told(self._client, name)
                told.past(sink.replayed)
                self._carry(Carrier(sink, pump=told.rest, stop=told.stop))

    def leave(self) -> None:
        """The stage has ended: hand on what its services have said by now, and listen no more. They run on."""
        with self._lock:
            carriers, self._carriers = self._carriers, []
        for carrier in carriers:
            carrier.end()

    def _start(self, service: ServiceDefinition) -> _Standing:
        name = self._name("service", service.name)
        config = service_config(service, self._spec, self._around, network=self.network)
        try:
            with translating(f"create service '{service.name}' of {service.image}"):
                container = create_container(self._client, name, config)
        except ImageNotFoundError:
            self._output.note(f"pulling image {service.image} for service '{service.name}'")
            self._pulls.pull(service.image, self._cancel)
            with translating(f"create service '{service.name}' of {service.image}"):
                container = create_container(self._client, name, config)
        attachment = Attachment(self._client, container)
        sink = self._output.service(service.name)
        self._carry(Carrier(sink, pump=attachment.pump, stop=attachment.stop, close=attachment.close))
        with translating(f"start service '{service.name}'"):
            self._client.start(container)
        return _Standing(service=service, container=container)

    def _carry(self, carrier: Carrier) -> None:
        with self._lock:
            self._carriers.append(carrier)
        carrier.start()

    def _await_ready(self, item: _Standing) -> None:
        ready = item.service.ready
        if ready is None:
            return
        began, pause, said = time.monotonic(), FIRST_PAUSE, ""
        while True:
            self._check_running(item)
            code, said = self._try(item.container, ready.command)
            seconds = time.monotonic() - began
            if code == 0:
                self._output.note(f"service '{item.service.name}' ready after {seconds:.1f} s")
                return
            if seconds + pause > ready.within:
                raise ServiceNotReadyError(
                    f"service '{item.service.name}' of stage '{self._spec.stage}' was not ready within "
                    f"{ready.within:g} s: `{ready.command}` said: {said.strip()[-TAIL:] or f'exit {code}'}",
                    hint="look at its log above, or give it longer with `ready: {within: …}`",
                )
            if self._cancel.wait(pause):
                raise CancelledError(self._cancel.reason)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _check_running(self, item: _Standing) -> None:
        found = inspect(self._client, item.container)
        if found is None or not found["State"]["Running"]:
            code = found["State"]["ExitCode"] if found else "unknown"
            raise ServiceNotReadyError(
                f"service '{item.service.name}' of stage '{self._spec.stage}' ended with exit {code} before it was "
                f"ready{self._tail(item.container)}",
                hint="look at its log above; does its image need an environment variable?",
            )

    def _try(self, container: str, command: str) -> tuple[int, str]:
        """What its command says now; a failure without words where it ended meanwhile: the next look tells how."""
        with translating("ask whether a service is ready"):
            try:
                made = self._client.exec_create(container, ["sh", "-c", command])
                said = b"".join(output_of(self._client, made["Id"]))
                code = self._client.exec_inspect(made["Id"])["ExitCode"]
            except Exception as error:
                if status_of(error) and not self._runs(container):  # 409 or 500, whichever call came too late
                    return 1, ""
                raise
        return (1 if code is None else int(code)), said.decode(errors="replace")

    def _runs(self, container: str) -> bool:
        found = inspect(self._client, container)
        return found is not None and bool(found["State"]["Running"])

    def _tail(self, container: str) -> str:
        with translating("read a service's log"):
            said = bytes(self._client.logs(container, tail=20)).decode(errors="replace").strip()
        return f": {said[-TAIL:]}" if said else ""

    def _discard(self, name: str) -> None:
        self._client.remove_container(name, force=True, v=True)

    def _parts(self, *more: str) -> tuple[str, ...]:
        return (self._spec.stage, str(self._spec.attempt), self._spec.step, *more)

    def _name(self, *more: str) -> str:
        return self._around.run.name(*self._parts(*more))
