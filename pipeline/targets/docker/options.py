"""What an environment says about its docker target, parsed once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.quantity import seconds
from pipeline.model.value import Options, Value
from pipeline.targets.docker.hosts import Host, hosts_of
from pipeline.targets.docker.proxy import Proxy, proxy_of
from pipeline.targets.written import health_words, labels, mapping, number, size, texts, volume, whole_number, words

_PUBLISH = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:]+\]|[0-9.]+):)?(?P<host>\d{1,5}):(?P<port>\d{1,5})(?:/(?P<proto>tcp|udp))?"
)


class WarmUp(StrEnum):
    """How a new version starts while the old one holds the ports.

    `ISOLATED`: on a network without a way out, and the same process is handed the ports. `OUTBOUND`: a rehearsal
    without ports but with a way out first, then the real one, whose start is the gap. `AUTO`: isolated, and a
    rehearsal when that one does not become healthy.
    """

    AUTO = "auto"
    ISOLATED = "isolated"
    OUTBOUND = "outbound"


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A port of the host that leads to one of the container."""

    address: str
    host: int
    port: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.address}:{self.host}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """How to know that a container is healthy; `command` is asked inside it, `http` and `tcp` from the runner."""

    command: tuple[str, ...] = ()
    """As the engine takes it: `CMD` and words, or `CMD-SHELL` and one line."""
    http: str = ""
    port: int = 0
    within: float = 60.0
    interval: float = 5.0
    retries: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerOptions:
    """Everything under `target: {docker: …}`. Times in seconds, memory in bytes."""

    hosts: tuple[Host, ...] = (Host(),)
    replicas: int = 1
    proxy: Proxy | None = None
    publish: tuple[Published, ...] = ()
    network: str = ""
    volumes: tuple[str, ...] = ()
    command: tuple[str, ...] | None = None
    user: str = ""
    health: Health | None = None
    drain: float = 10.0
    settle: float = 1.0
    """Without any health check: how long it has to run."""
    warm_up: WarmUp = WarmUp.AUTO
    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def docker_options(environment: EnvironmentDefinition) -> DockerOptions:
    """Parse; UsageError names the environment and the key."""
    options, where = environment.target, f"environment '{environment.name}': target.docker"
    _refuse_what_needs_a_proxy(options, where)
    resources = mapping(options.get("resources"))
    try:
        return DockerOptions(
            hosts=hosts_of(options),
            replicas=int(str(options.get("replicas", 1))),
            proxy=proxy_of(options["proxy"]) if "proxy" in options else None,
            publish=tuple(_published(text) for text in texts(options.get("publish"))),
            network=str(options.get("network", "")),
            volumes=tuple(volume(text) for text in texts(options.get("volumes"))),
            command=words(options["command"]) if "command" in options else None,
            user=str(options.get("user", "")),
            health=_health(options["health"]) if "health" in options else None,
            drain=seconds(str(options.get("drain", "10s"))),
            settle=seconds(str(options.get("settle", "1s"))),
            warm_up=WarmUp(str(options.get("warm_up", "auto"))),
            cpu=number(resources.get("cpu")),
            memory=size(resources.get("memory")),
            pids=whole_number(resources.get("pids")),
            labels=labels(environment),
        )
    except ValueError as error:
        raise UsageError(f"{where}: {error}", hint="correct that value in the pipeline file") from error


def _refuse_what_needs_a_proxy(options: Options, where: str) -> None:
    replicas, hosts = int(str(options.get("replicas", 1))), options.get("hosts")
    if "proxy" in options:
        if "publish" in options:
            raise UsageError(
                f"{where}.publish: behind a proxy the containers publish nothing of their own",
                hint="leave `publish` out: the proxy has the port that users know",
            )
        return
    if replicas != 1:
        raise UsageError(
            f"{where}.replicas: without a proxy a docker target runs one container, not {replicas}",
            hint="put a `proxy` in front of them, or write `replicas: 1`: only one container can hold a published port",
        )
    if isinstance(hosts, Sequence) and not isinstance(hosts, str) and len(hosts) > 1:
        raise UsageError(
            f"{where}.hosts: without a proxy a docker target runs on one engine, not on {len(hosts)}",
            hint="put a `proxy` in front of them, or name one host",
        )


def _published(text: str) -> Published:
    match = _PUBLISH.fullmatch(text)
    if not match or not (0 < int(match["host"]) < 65536 and 0 < int(match["port"]) < 65536):
        raise ValueError(f"'{text}' is not a published port; wanted: [address:]host port:container port[/udp]")
    address = (match["ip"] or "0.0.0.0").strip("[]")  # noqa: S104 - what `8080:8080` means to docker
    return Published(
        address=address, host=int(match["host"]), port=int(match["port"]), protocol=match["proto"] or "tcp"
    )


def _health(value: Value) -> Health:
    if isinstance(value, str):
        return Health(command=health_words(value))
    options = mapping(value)
    command = options.get("command")
    port = options.get("tcp", options.get("port", 0))
    return Health(
        command=() if command is None else health_words(command),
        http=str(options.get("http", "")),
        port=int(str(port)),
        within=seconds(str(options.get("within", "60s"))),
        interval=seconds(str(options.get("interval", "5s"))),
        retries=int(str(options.get("retries", 3))),
    )
