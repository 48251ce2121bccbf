"""Environments on a real engine for the contract of targets: a tiny web service that says its version."""

from __future__ import annotations

import http.client
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from environment.haproxy import Haproxy
from environment.servers import free_port
from environment.swarm import Swarm

from pipeline.diagnostic import Position
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.strategy import Strategy
from pipeline.model.value import Value
from pipeline.ports.target import Rollout
from pipeline.settings import Settings
from pipeline.targets.docker.proxied import ProxiedTarget
from pipeline.targets.docker.target import DockerTarget
from pipeline.targets.swarm.target import SwarmTarget

ENDS = "echo cannot start; exit 3"
DEAF = "exec sleep 600"
GOOD = 'mkdir -p /w; echo "$VERSION" >/w/index.html; exec httpd -f -p 8080 -h /w'


class Images(Protocol):
    """The fixture `images`."""

    busybox: str


def environment(target: Mapping[str, Value], *, name: str = "dev") -> EnvironmentDefinition:
    return EnvironmentDefinition(name=name, position=Position(file="pipeline.yml", line=1, column=1), target=target)


def order(
    promotion: str, image: str, *, timeout: float = 30, strategy: Strategy | None = None, fence: int = 0
) -> Rollout:
    return Rollout(
        environment="dev",
        release=f"sha256:{promotion}",
        promotion=promotion,
        image=image,
        configuration={"VERSION": promotion},
        timeout=timeout,
        strategy=strategy,
        fence=fence,
    )


class Engine:
    """Docker environments of one installation on the real engine; all of them are removed at the end."""

    def __init__(self, url: str, home: Path, image: str) -> None:
        self.settings = Settings(home=home, docker_host=url)
        self.image = image
        self.port = free_port()
        first = 21_000 + 100 * secrets.randbelow(90)
        self.seats = f"{first}-{first + 99}"
        """Ports of this test's containers behind a proxy: others take theirs at the same time."""
        self.made: list[DockerTarget] = []
        self.proxied_made: list[ProxiedTarget] = []

    def target(self, *, name: str = "dev", service: str = "shop", script: str = GOOD, **options: Value) -> DockerTarget:
        publish: Value = [f"127.0.0.1:{self.port}:8080"]
        given: dict[str, Value] = {"publish": publish, "command": ["sh", "-c", script], "drain": "1s", **options}
        made = DockerTarget(environment(given, name=name), self.settings, service=service)
        self.made.append(made)
        return made

    def proxied(
        self, front: Haproxy, *, backend: str = "added", script: str = GOOD, name: str = "dev", **options: Value
    ) -> ProxiedTarget:
        """An environment behind this proxy: two replicas, where `options` name no other number."""
        wanted: dict[str, Value] = {"socket": front.api, "backend": backend, "port": 8080, "ports": self.seats}
        if backend in ("declared", "unhurried"):
            wanted["servers"] = "seat"
        given: dict[str, Value] = {
            "command": ["sh", "-c", script],
            "drain": "1s",
            "replicas": 2,
            "proxy": {"haproxy": wanted},
            **options,
        }
        made = ProxiedTarget(environment(given, name=name), self.settings, service="shop")
        self.proxied_made.append(made)
        return made

    def unreached(self, proxy: Value) -> ProxiedTarget:
        """An environment whose proxy is not there; there is nothing of it to remove."""
        return ProxiedTarget(environment({"proxy": proxy}), self.settings, service="shop")

    def clear(self) -> None:
        """Remove what was made."""
        for target in (*self.made, *self.proxied_made):
            target.remove()

    def page(self) -> str:
        """What the published port answers, or why it does not."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode().strip()
        except OSError as error:
            return type(error).__name__
        finally:
            connection.close()

    def docker(self, *words: str) -> str:
        url = self.settings.docker_host
        done = subprocess.run(["docker", "-H", url, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()


class Cluster:
    """Swarm environments of one test: a service of its own on the shared swarm, gone at the end."""

    def __init__(self, swarm: Swarm, home: Path, image: str) -> None:
        self.swarm = swarm
        self.settings = Settings(home=home)
        self.image = image
        self.name = f"shop-{secrets.token_hex(4)}"
        self.made: list[SwarmTarget] = []

    def target(self, *, script: str = GOOD, pipeline: str = "", **options: Value) -> SwarmTarget:
        given: dict[str, Value] = {
            "service": self.name, "host": self.swarm.manager.url, "replicas": 2, "settle": "200ms", "drain": "1s",
            "command": ["sh", "-c", script], **options,
        }  # fmt: skip
        made = SwarmTarget(environment(given), self.settings, service=pipeline or self.name)
        self.made.append(made)
        return made

    def docker(self, *words: str) -> str:
        return self.swarm.manager.docker(*words)

    def left(self) -> list[str]:
        """Services, secrets and configs whose names are this test's."""
        kinds = ("service", "secret", "config")
        return [name for kind in kinds for name in self.docker(kind, "ls", "-q", "-f", f"name={self.name}").split()]

    def close(self) -> None:
        for target in self.made:
            target.remove()
        left = self.left()
        assert left == [], f"the swarm target left behind: {left}"
