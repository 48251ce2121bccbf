"""What the engine is asked to create for a release: the body of `POST /containers/create`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.ports.target import Rollout
from pipeline.targets.docker.options import DockerOptions, Published


def container_body(
    order: Rollout,
    options: DockerOptions,
    *,
    labels: Mapping[str, str],
    network: str,
    alias: str,
    publish: tuple[Published, ...],
) -> dict[str, Any]:
    """The container of a release. `alias` "" gives it none. The engine does not start it again before it is kept.

    Configuration is its environment. Secrets are not in it: they would show in `docker inspect`.
    """
    body: dict[str, Any] = {
        "Image": order.image,
        "Env": [f"{name}={value}" for name, value in sorted(order.configuration.items())],
        "Labels": {**options.labels, **labels},
        "ExposedPorts": {f"{item.port}/{item.protocol}": {} for item in publish},
        "StopTimeout": round(options.drain),
        "HostConfig": {
            "PortBindings": _bindings(publish),
            "Binds": list(options.volumes),
            "NetworkMode": network,
            "RestartPolicy": {"Name": "no"},
            "Init": True,
            **_limits(options),
        },
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [alias] if alias else []}}},
    }
    if options.command is not None:
        body["Cmd"] = list(options.command)
    if options.user:
        body["User"] = options.user
    health = options.health
    if health is not None and health.command:
        interval = round(health.interval * 1e9)
        body["Healthcheck"] = {
            "Test": list(health.command),
            "Interval": interval,
            "Timeout": interval,
            "Retries": health.retries,
        }
    return body


def _bindings(publish: tuple[Published, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for item in publish:
        key = f"{item.port}/{item.protocol}"
        bindings.setdefault(key, []).append({"HostIp": item.address, "HostPort": str(item.host)})
    return bindings


def _limits(options: DockerOptions) -> dict[str, int]:
    limits = {
        "Memory": options.memory,
        "NanoCpus": None if options.cpu is None else round(options.cpu * 1e9),
        "PidsLimit": options.pids,
    }
    return {name: value for name, value in limits.items() if value is not None}
