"""The containers that stand beside a stage, on a network of that stage alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating
from pipeline.errors import CancelledError, EcluseError, ImageNotFoundError, ServiceNotReadyError
from pipeline.executors.docker.attach import Attachment
from pipeline.executors.docker.container_config import Surroundings, service_config
from pipeline.executors.docker.depot import create_container
from pipeline.executors.docker.lifetime import inspect
from pipeline.executors.docker.networks import create_network
from pipeline.executors.docker.pulling import Pulls
from pipeline.executors.docker.reaper import removing
from pipeline.model.container import ContainerSpec
from pipeline.model.definition import ServiceDefinition
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Output

if TYPE_CHECKING:
    from docker import APIClient

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
TAIL = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One service that has been started, and the thread that carries its output away."""

    service: ServiceDefinition
    container: str
    pump: threading.Thread


@contextmanager
def standing(
    client: APIClient,
    around: Surroundings,
    spec: ContainerSpec,
    pulls: Pulls,
    output: Output,
    cancel: Cancellation,
) -> Iterator[str]:
    """Services of a stage, ready, for as long as the body runs; gives the name of their network.

    Raises ServiceNotReadyError with the last words of a service that ended or was not ready in time.
    """
    name = around.run.name(spec.stage, str(spec.attempt), spec.step, "net")
    with ExitStack() as stack:
        stack.callback(removing, f"network {name}", lambda: client.remove_network(name))
        create_network(client, around.run, spec.stage, str(spec.attempt), spec.step, "net")
        with ThreadPoolExecutor(max(1, len(spec.services)), thread_name_prefix="service") as pool:
            starts = [
                pool.submit(_start, client, around, spec, service, name, pulls, output, cancel)
                for service in spec.services
            ]
        started: list[Standing] = []
        for start in starts:
            if start.exception() is None:
                started.append(start.result())
                stack.callback(_remove, client, start.result())
        for start in starts:
            start.result()
        for item in started:
            _await_ready(client, item, spec, output, cancel)
        yield name


def _start(
    client: APIClient,
    around: Surroundings,
    spec: ContainerSpec,
    service: ServiceDefinition,
    network: str,
    pulls: Pulls,
    output: Output,
    cancel: Cancellation,
) -> Standing:
    name = around.run.name(spec.stage, str(spec.attempt), spec.step, "service", service.name)
    config = service_config(service, spec, around, network=network)
    removing(f"service {name} of a runner that was killed", lambda: client.remove_container(name, force=True, v=True))
    try:
        with translating(f"create service '{service.name}' of {service.image}"):
            container = create_container(client, name, config)
    except ImageNotFoundError:
        output.note(f"pulling image {service.image} for service '{service.name}'")
        pulls.pull(service.image, cancel)
        with translating(f"create service '{service.name}' of {service.image}"):
            container = create_container(client, name, config)
    sink = output.service(service.name)
    attachment = Attachment(client, container)
    pump = threading.Thread(target=_carry, args=(attachment, sink), name=f"service {service.name}", daemon=True)
    pump.start()
    with translating(f"start service '{service.name}'"):
        client.start(container)
    return Standing(service=service, container=container, pump=pump)


def _carry(attachment: Attachment, sink: Output) -> None:
    try:
        attachment.pump(sink.write)
    except EcluseError as error:
        sink.note(error.message)
    finally:
        attachment.close()


def _remove(client: APIClient, item: Standing) -> None:
    removing(f"service '{item.service.name}'", lambda: client.remove_container(item.container, force=True, v=True))
    item.pump.join(timeout=5.0)


def _await_ready(client: APIClient, item: Standing, spec: ContainerSpec, output: Output, cancel: Cancellation) -> None:
    ready = item.service.ready
    if ready is None:
        return
    began, pause, said = time.monotonic(), FIRST_PAUSE, ""
    while True:
        found = inspect(client, item.container)
        if found is None or not found["State"]["Running"]:
            code = found["State"]["ExitCode"] if found else "unknown"
            raise ServiceNotReadyError(
                f"service '{item.service.name}' of stage '{spec.stage}' ended with exit {code} before it was ready"
                + _tail(client, item.container),
                hint="look at its log above; does its image need an environment variable?",
            )
        code, said = _try(client, item.container, ready.command)
        seconds = time.monotonic() - began
        if code == 0:
            output.note(f"service '{item.service.name}' ready after {seconds:.1f} s")
            return
        if seconds + pause > ready.within:
            raise ServiceNotReadyError(
                f"service '{item.service.name}' of stage '{spec.stage}' was not ready within {ready.within:g} s: "
                f"`{ready.command}` said: {said.strip()[-TAIL:] or f'exit {code}'}",
                hint="look at its log above, or give it longer with `ready: {within: …}`",
            )
        if cancel.wait(pause):
            raise CancelledError(cancel.reason)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _try(client: APIClient, container: str, command: str) -> tuple[int, str]:
    with translating("ask whether a service is ready"):
        made = client.exec_create(container, ["sh", "-c", command])
        said = client.exec_start(made["Id"])
        code = client.exec_inspect(made["Id"])["ExitCode"]
    return (1 if code is None else int(code)), bytes(said).decode(errors="replace")


def _tail(client: APIClient, container: str) -> str:
    with translating("read a service's log"):
        said = bytes(client.logs(container, tail=20)).decode(errors="replace").strip()
    return f": {said[-TAIL:]}" if said else ""
