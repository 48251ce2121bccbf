"""The swarm's API, as far as stages need it: nodes, services and their tasks, small things that the managers keep."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import connect, status_of, translating
from pipeline.errors import EngineError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from docker import APIClient

GONE, TAKEN = 404, 409
RUNNING = "running"
OVER = frozenset({"complete", "failed", "rejected", "shutdown", "remove", "orphaned"})
HINT = "point the setting `docker_host` to a manager of the swarm (`docker node ls` works there)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A member of the swarm. `down`: its heart has not been heard for so long that the swarm has given it up."""

    id: str
    name: str
    address: str
    ready: bool
    down: bool
    cpus: float
    memory: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The one instance of a service: where it is, and how it fares."""

    id: str
    service: str
    node: str
    wanted: str
    state: str
    words: str
    addresses: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it runs and is meant to."""
        return self.state == RUNNING and self.wanted == RUNNING

    @property
    def over(self) -> bool:
        """Whether it has ended, or never will begin."""
        return self.state in OVER or self.wanted in ("shutdown", "remove")


class Cluster:
    """One swarm, through the manager that the settings name. Thread-safe, as its client is. Errors that may leave:
    EngineUnreachableError, EngineError and kin."""

    def __init__(self, settings: Settings) -> None:
        self.client: APIClient = connect(settings)
        self._any: Any = self.client
        self.own, self.version = self._greet()

    def _greet(self) -> tuple[str, str]:
        with translating("ask the engine for its swarm"):
            info = self._any.info()
        swarm = info.get("Swarm") or {}
        if not swarm.get("ControlAvailable"):
            what = "a worker of a swarm, no manager" if swarm.get("LocalNodeState") == "active" else "in no swarm"
            raise EngineError(f"the executor 'swarm' needs a manager: the engine there is {what}", hint=HINT)
        return str(swarm["NodeID"]), str(info["ServerVersion"])

    def nodes(self) -> Mapping[str, Node]:
        """Node id to node."""
        with self._speaking("list the nodes of the swarm"):
            return {item["ID"]: _node(item) for item in self._any.nodes()}

    def tasks(self, services: Iterable[str]) -> tuple[Task, ...]:
        """Those of these services, the newest first."""
        wanted = list(services)
        if not wanted:
            return ()
        with self._speaking("list the tasks of services"):
            found = self._any.tasks(filters={"service": wanted})
        return tuple(_task(item) for item in sorted(found, key=lambda item: str(item["CreatedAt"]), reverse=True))

    def service(self, name: str) -> Mapping[str, Any] | None:
        """As the swarm tells it; None where there is none."""
        with self._speaking(f"look for service {name}"):
            try:
                found: Mapping[str, Any] = self._any.inspect_service(name)
            except Exception as error:
                if status_of(error) == GONE:
                    return None
                raise
        return found

    def create(self, body: Mapping[str, Any]) -> str:
        """Make a service; its id. That of one which has the name already and the same `io.ecluse.spec`."""
        with self._speaking(f"create service {body['Name']}"):
            try:
                return str(self._post("/services/create", body)["ID"])
            except Exception as error:
                found = self.service(str(body["Name"])) if status_of(error) == TAKEN else None
                if found is None or found["Spec"].get("Labels") != body["Labels"]:
                    raise
                return str(found["ID"])

    def remove(self, service: str) -> None:
        """With its tasks; gone is fine."""
        self._drop(f"remove service {service}", lambda: self._any.remove_service(service))

    def services(self, labels: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
        """Those with these labels (`""` = whatever it is)."""
        with self._speaking("list services"):
            return tuple(self._any.services(filters={"label": _labels(labels)}))

    def keep(self, kind: str, name: str, content: bytes, labels: Mapping[str, str]) -> str:
        """Make a `secret` or a `config`; its id."""
        body = {"Name": name, "Labels": dict(labels), "Data": base64.b64encode(content).decode()}
        with self._speaking(f"create {kind} {name}"):
            return str(self._post(f"/{kind}s/create", body)["ID"])

    def kept(self, kind: str, labels: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
        """All `secret`s or `config`s with these labels."""
        asking = {"secret": "secrets", "config": "configs"}[kind]
        with self._speaking(f"list {kind}s"):
            return tuple(getattr(self._any, asking)(filters={"label": _labels(labels)}))

    def forget(self, kind: str, name: str) -> None:
        """Remove a `secret` or a `config`; gone is fine."""
        removers = {"secret": "remove_secret", "config": "remove_config"}
        self._drop(f"remove {kind} {name}", lambda: getattr(self._any, removers[kind])(name))

    def pinned(self, image: str) -> str:
        """The image by digest, so that nodes which have it need not ask its registry; as it is where that cannot be
        had."""
        if "@" in image:
            return image
        try:
            with translating(f"look up image {image}"):
                digest = str(self._any.inspect_distribution(image)["Descriptor"]["digest"])
        except EngineError:
            return image
        head, _, last = image.rpartition("/")
        return f"{head}/{last.partition(':')[0]}@{digest}".lstrip("/")

    def _drop(self, what: str, remove: Any) -> None:
        with self._speaking(what):
            try:
                remove()
            except Exception as error:
                if status_of(error) != GONE:
                    raise

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send, with the user's own login to the image's registry where there is an image."""
        image = body.get("TaskTemplate", {}).get("ContainerSpec", {}).get("Image", "")
        headers: dict[str, Any] = {"Content-Type": "application/json"}
        if image:
            from docker import auth

            registry, _ = auth.resolve_repository_name(image)
            login = auth.get_config_header(self.client, registry)
            headers |= {"X-Registry-Auth": login} if login else {}
        answer = self._any._post(self._any._url(path), data=json.dumps(body), headers=headers)
        return self._any._result(answer, json=True)

    @contextmanager
    def _speaking(self, what: str) -> Iterator[None]:
        try:
            with translating(what):
                yield
        except EngineError as error:
            if "not a swarm manager" in error.message or "not part of a swarm" in error.message:
                raise EngineError(f"cannot {what}: the engine there is no manager any more", hint=HINT) from error
            raise


def _labels(wanted: Mapping[str, str]) -> Sequence[str]:
    return [f"{key}={value}" if value else key for key, value in wanted.items()]


def _node(item: Mapping[str, Any]) -> Node:
    status, described = item["Status"], item["Description"]
    resources = described.get("Resources") or {}
    return Node(
        id=item["ID"],
        name=described["Hostname"],
        address=status.get("Addr", ""),
        ready=status["State"] == "ready",
        down=status["State"] in ("down", "disconnected"),
        cpus=resources.get("NanoCPUs", 0) / 1_000_000_000,
        memory=int(resources.get("MemoryBytes", 0)),
    )


def _task(item: Mapping[str, Any]) -> Task:
    status = item["Status"]
    networks = item.get("NetworksAttachments") or ()
    return Task(
        id=item["ID"],
        service=item["ServiceID"],
        node=item.get("NodeID", ""),
        wanted=item["DesiredState"],
        state=status["State"],
        words=str(status.get("Err", "")),
        addresses=tuple(text.partition("/")[0] for network in networks for text in network.get("Addresses") or ()),
    )
