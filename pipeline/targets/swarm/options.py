"""What an environment says about its swarm target, parsed once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.dockerapi import Certificates
from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.quantity import seconds
from pipeline.model.value import Options, Value
from pipeline.targets.docker.hosts import hosts_of
from pipeline.targets.written import (
    health_words,
    labels,
    mapping,
    number,
    size,
    text_mapping,
    texts,
    volume,
    whole_number,
    words,
)

_SERVICE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,49}[a-zA-Z0-9])?")
_PUBLISH = re.compile(r"(?P<host>\d{1,5}):(?P<port>\d{1,5})(?:/(?P<proto>tcp|udp))?")


class Routing(StrEnum):
    """How traffic finds an instance: through the swarm's mesh, or at a port of the very node that it runs on."""

    MESH = "mesh"
    HOST = "host"


class UpdateOrder(StrEnum):
    """Whether the new instance of a slot starts before the old one stops. `AUTO`: where there is room for both."""

    AUTO = "auto"
    START_FIRST = "start_first"
    STOP_FIRST = "stop_first"


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A port of the nodes that leads to one of an instance."""

    node: int
    port: int
    protocol: str = "tcp"


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """A health check asked inside an instance, as the engine takes it: `CMD` and words, or `CMD-SHELL` and one line."""

    command: tuple[str, ...]
    interval: float = 2.0
    timeout: float = 2.0
    retries: int = 3
    start: float = 0.0
    """Seconds in which a bad answer does not count yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Of one instance; `reserved_…` has to be free on a node that it is put on. Memory in bytes."""

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None
    reserved_cpu: float | None = None
    reserved_memory: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SwarmOptions:
    """Everything under `target: {swarm: …}`. Times in seconds."""

    service: str
    host: str = ""
    certificates: Certificates | None = None
    context: str = ""
    nodes: Mapping[str, str] = field(default_factory=dict)
    """Node name to the address of its engine, for commands that are run in an instance and for its log."""
    replicas: int = 1
    publish: tuple[Published, ...] = ()
    routing: Routing = Routing.MESH
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    command: tuple[str, ...] | None = None
    user: str = ""
    health: Health | None = None
    drain: float = 10.0
    settle: float = 1.0
    """How long an instance has to run before the next one is begun."""
    constraints: tuple[str, ...] = ()
    spread: str = ""
    per_node: int = 0
    """The most instances on one node; 0 = any number."""
    order: UpdateOrder = UpdateOrder.AUTO
    limits: Limits = field(default_factory=Limits)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def holds_ports(self) -> bool:
        """Whether an instance keeps others of this environment off its node."""
        return bool(self.publish) and self.routing is Routing.HOST

    @property
    def start_first(self) -> bool:
        """Whether a new instance starts while the one that it replaces still runs."""
        if self.order is UpdateOrder.AUTO:
            return not self.holds_ports and not self.per_node
        return self.order is UpdateOrder.START_FIRST


def swarm_options(environment: EnvironmentDefinition) -> SwarmOptions:
    """Parse; UsageError names the environment and the key."""
    options, where = environment.target, f"environment '{environment.name}': target.swarm"
    service = str(options.get("service", ""))
    if not _SERVICE.fullmatch(service):
        raise UsageError(
            f"{where}.service: {service!r} is no name of a service" if service else f"{where}: `service` is missing",
            hint="write `service: NAME` with at most 51 letters, digits and dashes",
        )
    if options.get("host") and options.get("context"):
        raise UsageError(f"{where}: both `host` and `context` say where the swarm is", hint="leave one of them out")
    try:
        (manager,) = hosts_of({key: options[key] for key in ("host", "tls") if key in options})
        parsed = SwarmOptions(
            service=service,
            host=manager.engine,
            certificates=manager.certificates,
            context=str(options.get("context", "")),
            nodes=text_mapping(options.get("nodes")),
            replicas=int(str(options.get("replicas", 1))),
            publish=tuple(_published(text) for text in texts(options.get("publish"))),
            routing=Routing(str(options.get("routing", "mesh"))),
            networks=texts(options.get("network")),
            volumes=tuple(volume(text) for text in texts(options.get("volumes"))),
            command=words(options["command"]) if "command" in options else None,
            user=str(options.get("user", "")),
            health=_health(options["health"]) if "health" in options else None,
            drain=seconds(str(options.get("drain", "10s"))),
            settle=seconds(str(options.get("settle", "1s"))),
            constraints=tuple(_constraint(text) for text in texts(options.get("constraints"))),
            spread=str(options.get("spread", "")),
            per_node=int(str(options.get("per_node", 0))),
            order=UpdateOrder(str(options.get("order", "auto"))),
            limits=_limits(mapping(options.get("resources"))),
            labels=labels(environment),
        )
    except ValueError as error:
        raise UsageError(f"{where}: {error}", hint="correct that value in the pipeline file") from error
    if parsed.replicas < 1:
        raise UsageError(f"{where}.replicas: {parsed.replicas} instances serve nobody", hint="write 1 or more")
    return parsed


def _published(text: str) -> Published:
    match = _PUBLISH.fullmatch(text)
    if not match or not (0 < int(match["host"]) < 65536 and 0 < int(match["port"]) < 65536):
        raise ValueError(f"'{text}' is not a published port of a swarm; wanted: port:container port[/udp]")
    return Published(node=int(match["host"]), port=int(match["port"]), protocol=match["proto"] or "tcp")


def _constraint(text: str) -> str:
    left, sign, right = text.partition("==") if "==" in text else text.partition("!=")
    if not sign or not left.strip() or not right.strip():
        raise ValueError(f"'{text}' is not a constraint; wanted: node.role == worker, node.labels.NAME != VALUE, …")
    return text


def _health(value: Value) -> Health:
    if isinstance(value, str):
        return Health(command=health_words(value))
    options = mapping(value)
    command = options.get("command")
    if not command:
        raise ValueError("a health check of a swarm is a command that is run in the instance")
    return Health(
        command=health_words(command),
        interval=seconds(str(options.get("interval", "2s"))),
        timeout=seconds(str(options.get("timeout", "2s"))),
        retries=int(str(options.get("retries", 3))),
        start=seconds(str(options.get("start", "0s"))),
    )


def _limits(options: Options) -> Limits:
    reserved = mapping(options.get("reserve"))
    return Limits(
        cpu=number(options.get("cpu")),
        memory=size(options.get("memory")),
        pids=whole_number(options.get("pids")),
        reserved_cpu=number(reserved.get("cpu")),
        reserved_memory=size(reserved.get("memory")),
    )
