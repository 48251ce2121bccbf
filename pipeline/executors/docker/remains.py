"""What stages leave on the engine: it stays until their results are recorded, or for a person to look into."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.executors.docker.lifetime import inspect
from pipeline.executors.docker.reaper import Reaper, removing
from pipeline.model.container import ContainerSpec
from pipeline.model.identity import LABEL_STAGE, ROLE_KEPT, RunIdentity

if TYPE_CHECKING:
    from docker import APIClient

LABEL_KEPT = "io.ecluse.kept"
"""On a marker: `kind/name` of each object that is to stay, as a JSON list."""
JOINED = "container:"

Named = tuple[str, str]
"""Kind and name of an object on the engine."""


@dataclass(kw_only=True, slots=True)
class _Left:
    """What one attempt of a stage left."""

    containers: list[str] = field(default_factory=list)
    company: list[str] = field(default_factory=list)
    """Services."""
    networks: list[str] = field(default_factory=list)
    kept: bool = False


class Remains:
    """Containers of a run's stages by stage and attempt. May be called from several threads."""

    def __init__(self, client: APIClient, run: RunIdentity, reaper: Reaper) -> None:
        self._client = client
        self._run = run
        self._reaper = reaper
        self._lock = threading.Lock()
        self._left: dict[str, dict[int, _Left]] = {}
        self._kept: set[Named] = set()

    @property
    def kept(self) -> frozenset[Named]:
        """What this session is to leave."""
        with self._lock:
            return frozenset(self._kept)

    def container(self, spec: ContainerSpec, container: str) -> None:
        """A container of this attempt is there."""
        with self._lock:
            self._of(spec).containers.append(container)

    def company(self, spec: ContainerSpec, containers: Sequence[str], network: str) -> None:
        """Services stand, or will stand, beside this attempt; those of earlier attempts end."""
        with self._lock:
            own = self._of(spec)
            own.company += containers
            own.networks.append(network)
            earlier = [left for number, left in self._left[spec.stage].items() if number < spec.attempt]
            over = [(left.company, left.networks) for left in earlier if not left.kept]
            for left in earlier:
                if not left.kept:
                    left.company, left.networks = [], []
        for services, networks in over:
            self._dismiss(services, networks)

    def release(self, stage: str) -> None:
        """Remove what is not kept of a stage, behind the scenes."""
        with self._lock:
            attempts = self._left.get(stage, {})
            going = [attempts.pop(number) for number in list(attempts) if not attempts[number].kept]
        for left in going:
            for container in left.containers:
                self._reaper.submit(f"container {container[:12]}", partial(self._remove, container))
            self._dismiss(left.company, left.networks)

    def release_all(self) -> None:
        """Remove what is not kept of all stages, behind the scenes."""
        with self._lock:
            stages = list(self._left)
        for stage in stages:
            self.release(stage)

    def keep(self, stage: str, more: Iterable[Named]) -> None:
        """Mark what the last attempt of a stage left, what it mounts, the network that it joined, and `more`."""
        with self._lock:
            attempts = self._left.get(stage, {})
            left = attempts[max(attempts)] if attempts else None
            if left is None or left.kept:
                return
            left.kept = True
        named = {*more, *(("container", name) for name in left.company), *(("network", name) for name in left.networks)}
        for container in left.containers:
            named |= self._named(container)
        with self._lock:
            self._kept |= named
        self._mark(stage, named)

    def _named(self, container: str) -> set[Named]:
        """A container, its volumes, and the sandbox that it joined with its networks."""
        found = inspect(self._client, container)
        if found is None:
            return set()
        named = {("container", _name(found))}
        named |= {("volume", mount["Name"]) for mount in found.get("Mounts") or () if mount.get("Type") == "volume"}
        mode = str(found["HostConfig"].get("NetworkMode", ""))
        sandbox = inspect(self._client, mode.removeprefix(JOINED)) if mode.startswith(JOINED) else None
        if sandbox is not None:
            named.add(("container", _name(sandbox)))
            named |= {("network", network) for network in sandbox["NetworkSettings"]["Networks"]}
        return named

    def _mark(self, stage: str, named: set[Named]) -> None:
        text = json.dumps(sorted(f"{kind}/{name}" for kind, name in named))
        name = self._run.name("kept", hashlib.sha256(text.encode()).hexdigest()[:12])
        labels = {**self._run.labels(ROLE_KEPT), LABEL_STAGE: stage, LABEL_KEPT: text}
        with translating("mark what is kept"):
            self._client.create_volume(name, labels=labels)
        with self._lock:
            self._kept.add(("volume", name))

    def _of(self, spec: ContainerSpec) -> _Left:
        return self._left.setdefault(spec.stage, {}).setdefault(spec.attempt, _Left())

    def _dismiss(self, services: Sequence[str], networks: Sequence[str]) -> None:
        if services or networks:
            self._reaper.submit("services of a stage", lambda: self._end_company(services, networks))

    def _end_company(self, services: Sequence[str], networks: Sequence[str]) -> None:
        for name in services:
            removing(f"service {name}", partial(self._remove, name))
        for name in networks:
            removing(f"network {name}", partial(self._client.remove_network, name))

    def _remove(self, container: str) -> None:
        self._client.remove_container(container, force=True, v=True)


def _name(found: Any) -> str:
    return str(found["Name"]).lstrip("/")
