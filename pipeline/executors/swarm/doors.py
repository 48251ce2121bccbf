"""Doors: small services of a run that let its runner in to the engines of nodes, over a network of the run's own.

Beside the manager's engine stands a caller, a container that is in that network too: each connection is a command in
it. So nothing listens outside the swarm, and whoever reaches the manager needs to reach nothing else.
"""

from __future__ import annotations

import io
import secrets
import tarfile
import threading
import time
from collections.abc import Mapping
from typing import Any

from pipeline.dockerapi import post, status_of, translating
from pipeline.errors import EngineBusyError, EngineError
from pipeline.executors.docker.depot import create_container
from pipeline.executors.docker.pulling import Pulls
from pipeline.executors.swarm.berth import SOCKET, own_container
from pipeline.executors.swarm.cluster import Cluster, Node
from pipeline.executors.swarm.credentials import DOOR, new_credentials
from pipeline.executors.swarm.lines import CommandLine, Line
from pipeline.executors.swarm.programs import program
from pipeline.model.identity import LABEL_INSTALLATION, LABEL_ROLE, RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.settings import Settings

ROLE_DOOR, ROLE_CALLER = "door", "caller"
LABEL_DOOR = "io.ecluse.door"
"""The run that a door belongs to. Not LABEL_RUN: whoever sweeps a node through its door must not sweep the door."""
LABEL_NODE = "io.ecluse.node"
PORT = 2376
UNUSED = 1800
"""Seconds after which a door that nobody uses is closed by itself."""
FILE = "/ecluse/credentials.pem"
OPENS_WITHIN = 60.0
LETTING_GO = 100
"""Looks at what is being removed."""
SOON = 0.05
MODE = 0o400


class Doors:
    """Those of one run, each made when its node is first asked for. May be called from several threads."""

    def __init__(self, cluster: Cluster, run: RunIdentity, settings: Settings, *, image: str) -> None:
        self._cluster = cluster
        self._run = run
        self._settings = settings
        self._image = image
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._addresses: dict[str, str] = {}
        self._caller = ""
        self._secret: tuple[str, str] = ("", "")
        self._network = ""
        self._mark = secrets.token_hex(4)

    def line(self, node: Node) -> Line:
        """A connection to the engine of that node. Raises EngineError and kin."""
        with self._lock:
            mine = self._making.setdefault(node.id, threading.Lock())
        with mine:
            if node.id not in self._addresses:
                self._addresses[node.id] = self._open(node)
            address = self._addresses[node.id]
        return CommandLine(self._cluster.client, self._caller, [*program("caller"), address, str(PORT), FILE, DOOR])

    def forget(self, node: Node) -> None:
        """Its door does not answer: a new one is made when it is asked for again."""
        with self._lock:
            mine = self._making.setdefault(node.id, threading.Lock())
        with mine:
            self._addresses.pop(node.id, None)

    def close(self) -> None:
        """Remove all doors of the run, also those of a process before us, and the network."""
        sweep_doors(self._cluster, self._run)

    def _open(self, node: Node) -> str:
        self._furnish()
        name = f"{self._name()}-{node.id[:12]}"
        old = self._cluster.service(name)
        if old is not None:  # of a process that was killed, or closed by itself: we have not its key
            self._cluster.remove(str(old["ID"]))
            self._await_gone(name)
        service = self._cluster.create(self._service(name, node))
        ends = time.monotonic() + OPENS_WITHIN
        words = ""
        while time.monotonic() < ends:
            task = next(iter(self._cluster.tasks([service])), None)
            if task is not None:
                words = task.words or task.state
                if task.holds and task.addresses:
                    return task.addresses[0]
            Cancellation().wait(SOON)
        self._cluster.remove(service)
        raise EngineBusyError(
            f"the engine of node {node.name} cannot be reached through the swarm: {words or 'its task does not start'}",
            hint=f"nodes need {self._settings.swarm_socket} and the image {self._settings.swarm_image}, and must reach "
            "each other on udp 4789 and 7946; or set `swarm_engines`",
        )

    def _await_gone(self, name: str) -> None:
        for _ in range(100):
            if self._cluster.service(name) is None:
                return
            Cancellation().wait(SOON)

    def _furnish(self) -> None:
        """The network, the doors' secret and the caller, once."""
        with self._lock:
            if self._caller:
                return
            sweep_doors(self._cluster, self._run)
            made = new_credentials()
            name = f"{self._name()}-{self._mark}"
            self._network = self._make_network(name)
            self._secret = (self._cluster.keep("secret", name, made.door, self._labels()), name)
            self._caller = self._make_caller(made.caller)

    def _make_network(self, name: str) -> str:
        body = {
            "Name": name,
            "Driver": "overlay",
            "Attachable": True,
            "Internal": True,
            "CheckDuplicate": True,
            "Labels": self._labels(),
        }
        with translating("create a network of the swarm"):
            return str(post(self._cluster.client, "/networks/create", body)["Id"])

    def _make_caller(self, credentials: bytes) -> str:
        client: Any = self._cluster.client
        config = {
            "Image": self._image,
            "Entrypoint": ["sleep", "2147483647"],
            "User": "0",
            "Labels": {**self._labels(), LABEL_ROLE: ROLE_CALLER},
            "HostConfig": {"NetworkMode": self._network, "Init": True, "CapDrop": ["ALL"], "Mounts": []},
        }
        name = self._run.name("caller", self._mark)
        Pulls(client).pull(self._image, Cancellation())
        with translating("create the container that calls the doors"):
            container = create_container(client, name, config)
            client.put_archive(container, "/", _archive(credentials))
            client.start(container)
        return container

    def _service(self, name: str, node: Node) -> dict[str, Any]:
        secret = {
            "SecretID": self._secret[0],
            "SecretName": self._secret[1],
            "File": {"Name": "credentials.pem", "UID": "0", "GID": "0", "Mode": MODE},
        }
        container = own_container(self._image, self._settings)
        labels = {**self._labels(), LABEL_NODE: node.id, "io.ecluse.spec": self._mark}
        arguments = [SOCKET, "/run/secrets/credentials.pem", str(PORT), str(UNUSED)]
        return {
            "Name": name,
            "Labels": labels,
            "Mode": {"Replicated": {"Replicas": 1}},
            "TaskTemplate": {
                "ContainerSpec": {
                    **container,
                    "Command": [*program("door")],
                    "Args": arguments,
                    "Labels": self._labels(),
                    "Secrets": [secret],
                    "StopGracePeriod": 2_000_000_000,
                },
                "RestartPolicy": {"Condition": "on-failure", "Delay": 500_000_000},
                "Placement": {"Constraints": [f"node.id=={node.id}"]},
                "Networks": [{"Target": self._network}],
            },
        }

    def _labels(self) -> dict[str, str]:
        return {LABEL_INSTALLATION: self._run.installation, LABEL_ROLE: ROLE_DOOR, LABEL_DOOR: self._run.run}

    def _name(self) -> str:
        return f"ecluse-{self._run.installation[:8]}-door-{self._run.run[-12:]}"


def sweep_doors(cluster: Cluster, run: RunIdentity) -> None:
    """Remove a run's doors, its caller, its network and its secret. Raises EngineError naming what stayed."""
    client: Any = cluster.client
    wanted = {LABEL_INSTALLATION: run.installation, LABEL_DOOR: run.run}
    for service in cluster.services(wanted):
        cluster.remove(str(service["ID"]))
    filters = {"label": [f"{key}={value}" for key, value in wanted.items()]}
    with translating("remove what led to the nodes of the swarm"):
        for container in client.containers(all=True, filters=filters):
            if container["Labels"].get(LABEL_ROLE) == ROLE_CALLER:
                _tolerant(lambda found=container["Id"]: client.remove_container(found, force=True, v=True))
        for _ in range(LETTING_GO):
            left = client.networks(filters=filters)
            if not left:
                break
            for network in left:
                _patient(lambda found=network["Id"]: client.remove_network(found))
            Cancellation().wait(SOON)  # a network that was removed is still told of for a moment
    for secret in cluster.kept("secret", wanted):
        _patient(lambda found=str(secret["ID"]): cluster.forget("secret", found))


def doors_left(cluster: Cluster, installation: str) -> list[Mapping[str, Any]]:
    """Everything that leads to nodes, of all runs of an installation, each with its labels and a name."""
    client: Any = cluster.client
    wanted = {LABEL_INSTALLATION: installation, LABEL_DOOR: ""}
    filters = {"label": [f"{LABEL_INSTALLATION}={installation}", LABEL_DOOR]}
    with translating("look for what leads to the nodes of the swarm"):
        networks = list(client.networks(filters=filters))
        callers = [
            {"Name": str(item["Names"][0]).lstrip("/"), "Labels": item["Labels"]}
            for item in client.containers(all=True, filters=filters)
            if item["Labels"].get(LABEL_ROLE) == ROLE_CALLER
        ]
    return [*cluster.services(wanted), *cluster.kept("secret", wanted), *networks, *callers]


def _tolerant(act: Any) -> None:
    try:
        act()
    except Exception as error:
        if status_of(error) != 404:
            raise


def _patient(act: Any) -> None:
    """Again for a while: the swarm takes its time to let go of what a task had."""
    for left in range(100, -1, -1):
        try:
            _tolerant(act)
        except Exception as error:
            busy = status_of(error) in (400, 403, 409, 500) or isinstance(error, EngineError)
            if not busy or not left:
                raise
        else:
            return
        Cancellation().wait(0.1)


def _archive(credentials: bytes) -> bytes:
    """A folder that only root enters, with the file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("ecluse")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        archive.addfile(folder)
        entry = tarfile.TarInfo(FILE.lstrip("/"))
        entry.mode, entry.size = 0o600, len(credentials)
        archive.addfile(entry, io.BytesIO(credentials))
    return buffer.getvalue()
