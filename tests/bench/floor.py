"""What the engine alone takes, by its API, for the parts that a run is made of: no quicker can a run be."""

from __future__ import annotations

import os
import secrets
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import docker

TIMES = 8
LABELS = {"ecluse.bench": "floor"}
SUBNET = "198.19.253.0/28"
"""Of the range for tests of network gear (RFC 2544), where Écluse's own pool is not."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part and its median."""

    what: str
    seconds: float


def floor(image: str) -> list[Part]:
    """Each part once in each round, from its creation to its removal."""
    client: Any = docker.APIClient(base_url=os.environ.get("DOCKER_HOST"), version="auto")
    name = f"ecluse-bench-{secrets.token_hex(4)}"
    network = f"{name}-network"

    def container(mode: str, *, wait: bool = True) -> None:
        config = client.create_host_config(network_mode=mode, init=True)
        made = client.create_container(
            image, ["true"] if wait else ["sleep", "600"], labels=LABELS, host_config=config
        )["Id"]
        try:
            client.start(made)
            if wait:
                client.wait(made)
        finally:
            client.remove_container(made, force=True, v=True)

    def net(of: str) -> None:
        pool = docker.types.IPAMPool(subnet=SUBNET)
        client.create_network(of, driver="bridge", labels=LABELS, ipam=docker.types.IPAMConfig(pool_configs=[pool]))

    def alone() -> None:
        net(network)
        client.remove_network(network)

    parts: dict[str, tuple[Callable[[], None], list[float]]] = {
        "a container with a network of its own": (lambda: container("bridge"), []),
        "a container that joins a sandbox": (lambda: container(f"container:{name}"), []),
        "a sandbox on a network": (lambda: container(f"{name}-other", wait=False), []),
        "a network": (alone, []),
    }
    other = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="198.19.252.0/28")])
    client.create_network(f"{name}-other", driver="bridge", labels=LABELS, ipam=other)
    config = client.create_host_config(network_mode=f"{name}-other")
    held = client.create_container(image, ["sleep", "3600"], name=name, labels=LABELS, host_config=config)["Id"]
    try:
        client.start(held)
        for _ in range(TIMES):
            for measure, seconds in parts.values():
                began = time.perf_counter()
                measure()
                seconds.append(time.perf_counter() - began)
    finally:
        client.remove_container(held, force=True, v=True)
        client.remove_network(f"{name}-other")
    return [Part(what=what, seconds=statistics.median(seconds)) for what, (_, seconds) in parts.items()]
