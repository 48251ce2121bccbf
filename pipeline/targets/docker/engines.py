"""The engines of an environment as things to work with, each with its containers, networks and fence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.dockerapi import connect
from pipeline.errors import UsageError
from pipeline.settings import Settings
from pipeline.targets.docker.fence import Fence
from pipeline.targets.docker.fleet import Fleet
from pipeline.targets.docker.hosts import is_ip
from pipeline.targets.docker.networks import Networks
from pipeline.targets.docker.options import DockerOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """One of them. `place` is its name where there are several, else ""."""

    place: str
    address: str
    fleet: Fleet
    networks: Networks
    fence: Fence


def engines_of(options: DockerOptions, settings: Settings, *, service: str, environment: str) -> tuple[Engine, ...]:
    """Reach every engine; EngineUnreachableError for the first that does not answer."""
    made = []
    for host in options.hosts:
        if not is_ip(host.address):
            raise UsageError(
                f"environment '{environment}': target.docker: the proxy is to reach engine '{host.name}' "
                f"at '{host.address}', which is not an IP address",
                hint="write that host's `address` beside it",
            )
        mine = replace(settings, docker_host=host.engine) if host.engine else settings
        fleet = Fleet(
            connect(mine, host.certificates),
            installation=settings.installation,
            service=service,
            environment=environment,
            options=options,
        )
        made.append(
            Engine(
                place=host.name if len(options.hosts) > 1 else "",
                address=host.address,
                fleet=fleet,
                networks=Networks(fleet),
                fence=Fence(fleet),
            )
        )
    return tuple(made)
