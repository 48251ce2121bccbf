"""What the swarm is asked for: the specification of a service, as `POST /services/create` takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.model.identity import LABEL_PROMOTION, LABEL_RELEASE
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.target import Rollout
from pipeline.targets.swarm.options import Published, Routing, SwarmOptions

Spec = dict[str, Any]
"""JSON of the engine's API (`ServiceSpec`)."""
RESTART_DELAY = 1.0


class Part(StrEnum):
    """Which service of an environment it is: the one that is named in the file, a canary, or one that only proves
    that a version becomes healthy and gets no traffic."""

    MAIN = ""
    CANARY = "canary"
    REHEARSAL = "rehearsal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How the swarm goes through the instances: so many at a time (0 = all), with a pause, new or old ones first."""

    batch: int = 1
    pause: float = 0.0
    start_first: bool = True
    stops_at_failure: bool = True
    """Else it goes on to the other instances: what goes back has nowhere else to go."""


def pace_of(strategy: Strategy | None, options: SwarmOptions) -> Pace:
    """The pace of an update in place. A canary's last step goes one by one, as a rolling update does by itself."""
    match strategy:
        case Strategy(kind=StrategyKind.ROLLING):
            pause = max(strategy.pause, options.settle)
            return Pace(batch=strategy.batch, pause=pause, start_first=options.start_first)
        case Strategy(kind=StrategyKind.BLUE_GREEN):
            return Pace(batch=0, start_first=options.start_first)
        case Strategy(kind=StrategyKind.RECREATE):
            return Pace(batch=0, start_first=False)
        case _:
            return Pace(pause=options.settle, start_first=options.start_first)


def pace_back(options: SwarmOptions, replicas: int) -> Pace:
    """Going back is quick: all at once where both fit beside each other, else by halves so that somebody serves."""
    batch = 0 if options.start_first else max(1, replicas // 2)
    return Pace(batch=batch, start_first=options.start_first, stops_at_failure=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A secret that the swarm holds for one promotion: the name of its file, and the object that has the value."""

    file: str
    id: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A service as it should be, before it is spelled for the engine."""

    order: Rollout
    options: SwarmOptions
    part: Part = Part.MAIN
    replicas: int
    labels: Mapping[str, str]
    """Of the service; the instances get release and promotion."""
    secrets: tuple[Kept, ...] = ()
    networks: tuple[str, ...] = ()
    """Their ids."""
    pace: Pace = field(default_factory=Pace)


def service_name(options: SwarmOptions, part: Part) -> str:
    """`shop`, `shop-canary`, `shop-rehearsal`."""
    return f"{options.service}-{part}" if part else options.service


def service_spec(wanted: Wanted) -> Spec:
    """A rehearsal has no ports and no name that anybody asks for."""
    options = wanted.options
    silent = wanted.part is Part.REHEARSAL
    aliases = [] if silent else [options.service]
    spec: Spec = {
        "Name": service_name(options, wanted.part),
        "Labels": {**options.labels, **wanted.labels},
        "TaskTemplate": {
            "ContainerSpec": _container(wanted),
            "RestartPolicy": {"Condition": "any", "Delay": nanoseconds(RESTART_DELAY)},
            "Placement": _placement(options),
            "Resources": _resources(options),
            "Networks": [{"Target": network, "Aliases": aliases} for network in wanted.networks],
        },
        "Mode": {"Replicated": {"Replicas": wanted.replicas}},
        "EndpointSpec": {
            "Mode": "dnsrr" if options.routing is Routing.HOST or silent else "vip",
            "Ports": [] if silent else [_port(item, options) for item in options.publish],
        },
    }
    return at_pace(spec, wanted.pace, settle=options.settle)


def at_pace(spec: Spec, pace: Pace, *, settle: float) -> Spec:
    """The same service, updated at that pace. On its way forward the swarm stops at the first failure: going back is
    our decision. An instance that is lost with its node counts as one, too."""
    update = {
        "Parallelism": pace.batch,
        "Delay": nanoseconds(pace.pause),
        "FailureAction": "pause" if pace.stops_at_failure else "continue",
        "Monitor": nanoseconds(max(settle, 0.1)),
        "MaxFailureRatio": 0,
        "Order": "start-first" if pace.start_first else "stop-first",
    }
    return {**spec, "UpdateConfig": update}


def with_replicas(spec: Spec, replicas: int) -> Spec:
    """The same service with so many instances."""
    return {**spec, "Mode": {"Replicated": {"Replicas": replicas}}}


def replicas_of(spec: Spec) -> int:
    """How many instances it should have."""
    return int(spec.get("Mode", {}).get("Replicated", {}).get("Replicas", 1))


def nanoseconds(seconds: float) -> int:
    """As the engine counts time."""
    return round(seconds * 1e9)


def _container(wanted: Wanted) -> Spec:
    options, order = wanted.options, wanted.order
    container: Spec = {
        "Image": order.image,
        "Env": [f"{name}={value}" for name, value in sorted(order.configuration.items())],
        "Labels": {**options.labels, LABEL_RELEASE: order.release, LABEL_PROMOTION: order.promotion},
        "Init": True,
        "StopGracePeriod": nanoseconds(options.drain),
        "Mounts": [_mount(text) for text in options.volumes],
        "Secrets": [
            {
                "SecretID": item.id,
                "SecretName": item.name,
                "File": {"Name": item.file, "UID": "0", "GID": "0", "Mode": 0o444},
            }
            for item in wanted.secrets
        ],
    }
    if options.command is not None:
        container["Args"] = list(options.command)
    if options.user:
        container["User"] = options.user
    if options.health is not None:
        container["Healthcheck"] = {
            "Test": list(options.health.command),
            "Interval": nanoseconds(options.health.interval),
            "Timeout": nanoseconds(options.health.timeout),
            "StartPeriod": nanoseconds(options.health.start),
            "Retries": options.health.retries,
        }
    return container


def _mount(text: str) -> Spec:
    source, _, rest = text.partition(":")
    path, _, mode = rest.partition(":")
    return {"Type": "volume", "Source": source, "Target": path, "ReadOnly": mode == "ro"}


def _port(item: Published, options: SwarmOptions) -> Spec:
    return {
        "Protocol": item.protocol,
        "TargetPort": item.port,
        "PublishedPort": item.node,
        "PublishMode": "host" if options.routing is Routing.HOST else "ingress",
    }


def _placement(options: SwarmOptions) -> Spec:
    placement: Spec = {"Constraints": list(options.constraints)}
    if options.spread:
        placement["Preferences"] = [{"Spread": {"SpreadDescriptor": options.spread}}]
    if options.per_node:
        placement["MaxReplicas"] = options.per_node
    return placement


def _resources(options: SwarmOptions) -> Spec:
    given = options.limits
    limits = {
        "NanoCPUs": None if given.cpu is None else round(given.cpu * 1e9),
        "MemoryBytes": given.memory,
        "Pids": given.pids,
    }
    reserved = {
        "NanoCPUs": None if given.reserved_cpu is None else round(given.reserved_cpu * 1e9),
        "MemoryBytes": given.reserved_memory,
    }
    return {
        "Limits": {name: value for name, value in limits.items() if value is not None},
        "Reservations": {name: value for name, value in reserved.items() if value is not None},
    }
