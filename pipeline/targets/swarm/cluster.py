"""The swarm's API, as far as an environment needs it: services, tasks, nodes, networks and logs."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import EngineError, TargetError
from pipeline.ports.cancellation import Cancellation
from pipeline.targets.swarm.spec import Spec, replicas_of
from pipeline.targets.swarm.tasks import Node, Task, nodes, tasks

if TYPE_CHECKING:
    from docker import APIClient

LOG_WITHIN = 5.0
"""Seconds in which a log has to go on: that of a lost node never does."""
LOG_AGAIN = 20.0
"""Seconds for which an incomplete log is asked for again: a node that has come back offers its logs up to 8 s later,
or not at all (moby issue 35011: its old connection, when it is given up, takes the new one's entry with it)."""
OUT_OF_SEQUENCE = "update out of sequence"
TRIES = 20
NO_MANAGER = "point `host` or `context` of the swarm target to a manager (`docker node ls` works there)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A service as it is now; `version` is the index that an update has to name."""

    id: str
    name: str
    version: int
    spec: Spec
    update: str
    """State of its last update: `updating`, `paused`, `completed`, …; "" where it was never updated."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of the service, not of its instances."""
        return self.spec.get("Labels") or {}

    @property
    def replicas(self) -> int:
        """How many instances it should have."""
        return replicas_of(self.spec)


class Cluster:
    """One swarm, through one of its managers. Thread-safe, as its client is."""

    def __init__(self, client: APIClient, *, environment: str) -> None:
        self.client: Any = client
        self._where = f"environment '{environment}'"

    def service(self, name: str) -> Service | None:
        """The service of that name; None when there is none."""
        import docker.errors

        with self._speaking(f"inspect service {name}"):
            try:
                return _service(self.client.inspect_service(name))
            except docker.errors.NotFound:
                return None

    def create(self, spec: Spec) -> Service:
        """Make a service; TargetError where one of that name or with those ports is there already."""
        with self._speaking(f"create service {spec['Name']}"):
            made = self._post("/services/create", spec, image=_image(spec))["ID"]
            return _service(self.client.inspect_service(made))

    def update(self, seen: Service, spec: Spec) -> Service:
        """Change the service, unless somebody else has changed it since it was `seen`.

        The index also moves when the swarm itself notes how an update goes: then the same is asked again with the new
        index. The image's digest is not looked up again.
        """
        before = seen
        for _ in range(TRIES):
            with self._speaking(f"update service {seen.name}"):
                done = self._swapped(before, spec)
                now = _service(self.client.inspect_service(seen.id)) if done else None
            if now and now.labels == (spec.get("Labels") or {}):
                return now
            if done:
                break
            now = self.service(seen.id)
            if now is None or now.spec != seen.spec:
                break
            before = now
        raise TargetError(
            f"{self._where}: service {seen.name} was changed by somebody else meanwhile; nothing was done to it",
            hint=f"see what `docker service inspect {seen.name}` says, then try again",
        )

    def remove(self, service: Service) -> None:
        """Remove it with its instances; gone is fine."""
        import docker.errors

        with self._speaking(f"remove service {service.name}"), suppress(docker.errors.NotFound):
            self.client.remove_service(service.id)

    def services(self, labels: Mapping[str, str]) -> tuple[Service, ...]:
        """All services with those labels."""
        wanted = {"label": [f"{key}={value}" for key, value in labels.items()]}
        with self._speaking("list services"):
            return tuple(_service(item) for item in self.client.services(filters=wanted))

    def nodes(self) -> Mapping[str, Node]:
        """Node id to node."""
        with self._speaking("list the nodes of the swarm"):
            return nodes(self.client.nodes())

    def tasks(self, *services: Service, known: Mapping[str, Node]) -> tuple[Task, ...]:
        """Every task of those services that the swarm remembers, on the nodes that are `known`."""
        if not services:
            return ()
        with self._speaking("list the tasks of a service"):
            return tasks(self.client.tasks(filters={"service": [item.id for item in services]}), known)

    def network(self, name: str) -> str:
        """The id of a network of the swarm; TargetError where it has none of that name."""
        with self._speaking("list networks"):
            found = [item for item in self.client.networks(names=[name]) if item["Name"] == name]
        for item in found:
            if item["Scope"] == "swarm":
                return str(item["Id"])
        raise TargetError(
            f"{self._where}: the swarm has no network '{name}'",
            hint=f"make it with `docker network create --driver overlay {name}`",
        )

    def tail(self, task: Task, lines: int = 15) -> str:
        """The last lines of its log; "" where they cannot be had (its node is gone)."""
        log, _ = self._log(task, {"tail": lines}, limit=64 << 10)
        return log.decode(errors="replace").rstrip()

    def log(self, task: Task, *, since: datetime | None, limit: int) -> bytes:
        """The newest `limit` bytes of what it has written since then. TargetError where its node does not give it: a
        part must not be taken for the whole."""
        query = {} if since is None else {"since": f"{since.timestamp():.6f}"}
        ends = monotonic() + LOG_AGAIN
        while True:
            log, complaint = self._log(task, query, limit=limit)
            if not complaint:
                return log
            if monotonic() > ends:
                node = task.node.name if task.node else "its node"
                raise TargetError(
                    f"{self._where}: the log of an instance on {node} cannot be read through the swarm: {complaint}",
                    hint=f"write its engine's address into the target (`nodes: {{{node}: tcp://…}}`), or restart that "
                    "engine: a swarm that lost sight of a node can give none of its logs until it connects anew",
                )
            Cancellation().wait(0.2)  # a node that has just come back gives its logs a moment later

    def _log(self, task: Task, query: Mapping[str, object], *, limit: int) -> tuple[bytes, str]:
        """What it has written, and what the swarm says where that is not all."""
        kept, complaint = b"", b""
        try:
            with translating("read the log of a task"):
                url = self.client._url("/tasks/{0}/logs", task.id)
                wanted = {"stdout": 1, "stderr": 1, **query}
                with self.client.get(url, params=wanted, timeout=LOG_WITHIN, stream=True) as answer:
                    self.client._raise_for_status(answer)
                    while len(header := answer.raw.read(8)) == 8:
                        stream, length = struct.unpack(">BxxxL", header)
                        block = answer.raw.read(length)
                        if stream in (1, 2):
                            kept = (kept + block)[-limit:]
                        else:
                            complaint += block
        except EngineError as error:
            return kept, error.message
        return kept, " ".join(complaint.decode(errors="replace").split())

    def own_node(self) -> str:
        """The id of the node that we speak to; TargetError where it is no manager of a swarm."""
        with self._speaking("ask the engine for its swarm"):
            swarm = self.client.info().get("Swarm") or {}
        if not swarm.get("ControlAvailable"):
            raise TargetError(
                f"{self._where}: the engine there is no manager of a swarm",
                hint=NO_MANAGER,
            )
        return str(swarm["NodeID"])

    def _swapped(self, seen: Service, spec: Spec) -> bool:
        """Whether the service was still the one that was seen, and is the new one now."""
        import docker.errors

        query = {"version": seen.version, "registryAuthFrom": "spec"}
        try:
            self._post(f"/services/{seen.id}/update", spec, image=_image(spec), query=query)
        except docker.errors.APIError as error:
            if OUT_OF_SEQUENCE in str(error.explanation):
                return False
            raise
        return True

    def _post(self, path: str, body: Spec, *, image: str, query: Mapping[str, object] | None = None) -> Any:
        """Send, with the user's own login to the image's registry."""
        from docker import auth

        registry, _ = auth.resolve_repository_name(image)
        header = auth.get_config_header(self.client, registry)
        headers = {"Content-Type": "application/json", **({"X-Registry-Auth": header} if header else {})}
        url = self.client._url(path)
        answer = self.client._post(url, data=json.dumps(body), headers=headers, params=query)
        return self.client._result(answer, json=True)

    @contextmanager
    def _speaking(self, what: str) -> Iterator[None]:
        import docker.errors

        with translating(what):
            try:
                yield
            except docker.errors.APIError as error:
                words = str(error.explanation)
                if "not a swarm manager" in words or "not part of a swarm" in words:
                    raise TargetError(
                        f"{self._where}: the engine there is no manager of a swarm",
                        hint=NO_MANAGER,
                    ) from error
                if "already in use by service" in words or "name conflicts with" in words:
                    raise TargetError(
                        f"{self._where}: cannot {what}: {words.rpartition('desc = ')[2]}",
                        hint="take another name or port, or remove that service; it is not one of ours",
                    ) from error
                raise


def _service(answer: Mapping[str, Any]) -> Service:
    return Service(
        id=answer["ID"],
        name=answer["Spec"]["Name"],
        version=int(answer["Version"]["Index"]),
        spec=answer["Spec"],
        update=(answer.get("UpdateStatus") or {}).get("State", ""),
    )


def _image(spec: Spec) -> str:
    return str(spec["TaskTemplate"]["ContainerSpec"]["Image"])
