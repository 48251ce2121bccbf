"""The containers of one environment on one engine: found by label, made with a deterministic name."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.model.identity import (
    LABEL_ENVIRONMENT,
    LABEL_INSTALLATION,
    LABEL_PROMOTION,
    LABEL_RELEASE,
    LABEL_ROLE,
    LABEL_SPEC,
    ROLE_TARGET,
)
from pipeline.ports.target import Rollout
from pipeline.targets.docker.container_body import container_body
from pipeline.targets.docker.container_log import container_log
from pipeline.targets.docker.options import DockerOptions, Published
from pipeline.targets.haproxy.backend import Seat
from pipeline.targets.sameness import spec_digest, spelled

if TYPE_CHECKING:
    from docker import APIClient

LABEL_SERVICE = "io.ecluse.service"
LABEL_REPLACES = "io.ecluse.replaces"
LABEL_IMAGE = "io.ecluse.image"
LABEL_REHEARSAL = "io.ecluse.rehearsal"
LABEL_REPLICA = "io.ecluse.replica"
LABEL_SEAT = "io.ecluse.seat"
SECRETS_FOLDER = "run/secrets"


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """A container of the environment as the engine describes it now."""

    id: str
    name: str
    image: str
    release: str
    promotion: str
    replaces: str
    """Promotion id of the container that served when this one was made, or ""."""
    spec: str
    rehearsal: bool
    running: bool
    restarts: int
    exit_code: int
    health: str
    """`healthy`, `unhealthy`, `starting`, or "" where the image says nothing."""
    networks: Mapping[str, str]
    """Network name to IP address."""
    started: datetime | None
    replica: int = 0
    """Which of several it is, from 1; 0 where there is one."""
    seat: Seat | None = None
    """Where a proxy reaches it."""


class Fleet:
    """Finds, makes and removes containers of one environment; everything else on the engine is invisible to it."""

    def __init__(
        self, client: APIClient, *, installation: str, service: str, environment: str, options: DockerOptions
    ) -> None:
        self.client = client
        self.options = options
        self._filter = {
            LABEL_INSTALLATION: installation,
            LABEL_ROLE: ROLE_TARGET,
            LABEL_ENVIRONMENT: environment,
            LABEL_SERVICE: service,
        }
        parts = (installation[:8], *((service,) if service else ()), environment)
        self.name = "ecluse-" + "-".join(re.sub(r"[^a-zA-Z0-9_.-]", "_", part) for part in parts)
        self.environment = environment

    @property
    def labels(self) -> Mapping[str, str]:
        """What everything of this environment carries."""
        return self._filter

    def all(self) -> tuple[Deployed, ...]:
        """Every container of the environment, oldest first."""
        wanted = [f"{key}={value}" for key, value in self._filter.items()]
        with translating(f"list the containers of environment {self.environment}"):
            found = self.client.containers(all=True, filters={"label": wanted})
        deployed = (
            self.look(item["Id"]) for item in sorted(found, key=lambda item: (int(item["Created"]), item["Id"]))
        )
        return tuple(item for item in deployed if item)

    def look(self, container: str) -> Deployed | None:
        """One container, or None when it is gone."""
        import docker.errors

        with translating(f"inspect container {container[:12]}"):
            try:
                return _deployed(self.client.inspect_container(container))
            except docker.errors.NotFound:
                return None

    def spec(self, order: Rollout) -> str:
        """What must be equal for a running container to be taken for the ordered one."""
        return spec_digest(order, options=spelled(self.options))

    def create(self, order: Rollout, *, network: str, replaces: str, rehearsal: bool = False) -> str:
        """Make a container, attached to that network, with its secrets as files; it is not started. Returns its id."""
        name = f"{self.name}-{order.promotion}" + ("-rehearsal" if rehearsal else "")
        labels = self._labels(order, replaces) | ({LABEL_REHEARSAL: "1"} if rehearsal else {})
        body = container_body(
            order,
            self.options,
            labels=labels,
            network=network,
            alias="" if rehearsal else self.environment,
            publish=() if rehearsal else self.options.publish,
        )
        return self._create(name, body, order)

    def create_replica(
        self, order: Rollout, *, network: str, replaces: str, replica: int, seat: Seat, port: int
    ) -> str:
        """Make one of several containers, whose port is published at its seat; it is not started. Returns its id."""
        labels = self._labels(order, replaces) | {LABEL_REPLICA: str(replica), LABEL_SEAT: str(seat)}
        publish = (Published(address=seat.address, host=seat.port, port=port),)
        body = container_body(order, self.options, labels=labels, network=network, alias="", publish=publish)
        return self._create(f"{self.name}-{order.promotion}-{replica}", body, order)

    def _labels(self, order: Rollout, replaces: str) -> dict[str, str]:
        return {
            **self._filter,
            LABEL_RELEASE: order.release,
            LABEL_PROMOTION: order.promotion,
            LABEL_REPLACES: replaces,
            LABEL_IMAGE: order.image,
            LABEL_SPEC: self.spec(order),
        }

    def _create(self, name: str, body: Mapping[str, Any], order: Rollout) -> str:
        client: Any = self.client
        with translating(f"create container {name}"):
            made: str = client.create_container_from_config(body, name)["Id"]
            if order.secrets:
                client.put_archive(made, "/", secret_files(order.secrets))
        return made

    def keep(self, container: str) -> None:
        """Let the engine start it again from now on, should it end. Before it is healthy its end is its own, with its
        exit code."""
        client: Any = self.client
        with translating(f"give container {container[:12]} its restart policy"):
            client.update_container(container, restart_policy={"Name": "unless-stopped"})

    def stop(self, container: str, *, grace: float) -> None:
        """Stop with a grace period; the container stays."""
        with translating(f"stop container {container[:12]}"):
            self.client.stop(container, timeout=round(grace))

    def remove(self, container: str, *, grace: float | None = None) -> None:
        """Stop with a grace period (None: at once) and remove, with its anonymous volumes; gone is fine."""
        import docker.errors

        with translating(f"remove container {container[:12]}"):
            try:
                if grace is not None:
                    self.client.stop(container, timeout=round(grace))
                self.client.remove_container(container, force=True, v=True)
            except docker.errors.NotFound:
                pass

    def forget_image(self, reference: str) -> None:
        """Give the disk back that a release's image takes, unless some container still stands on it.

        Only the name by digest under which we fetched it is dropped, never a tag that somebody gave. Going back to
        that release fetches it again.
        """
        import docker.errors

        if "@sha256:" not in reference:
            return

        with suppress(docker.errors.APIError):
            # Of an image with several names the engine drops one although a container was made by it.
            if not self.client.containers(all=True, filters={"ancestor": reference}):
                self.client.remove_image(reference)

    def tail(self, container: str, lines: int = 15) -> str:
        """The last lines of its log."""
        with translating(f"read the log of container {container[:12]}"):
            return self.client.logs(container, tail=lines).decode(errors="replace").rstrip()

    def log(self, container: str, *, since: datetime | None, limit: int) -> bytes:
        """The newest `limit` bytes of what it has written since then; nothing where it is gone."""
        return container_log(self.client, container, since=since, limit=limit)


def secret_files(secrets: Mapping[str, str]) -> bytes:
    """An archive with each secret as a file below `/run/secrets`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo(SECRETS_FOLDER)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for name, value in sorted(secrets.items()):
            content = value.encode()
            entry = tarfile.TarInfo(f"{SECRETS_FOLDER}/{name}")
            entry.size, entry.mode = len(content), 0o444
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _deployed(answer: Mapping[str, Any]) -> Deployed:
    labels, state = answer["Config"]["Labels"], answer["State"]
    started = str(state["StartedAt"])
    return Deployed(
        id=answer["Id"],
        name=str(answer["Name"]).removeprefix("/"),
        image=labels.get(LABEL_IMAGE, answer["Config"]["Image"]),
        release=labels.get(LABEL_RELEASE, ""),
        promotion=labels.get(LABEL_PROMOTION, ""),
        replaces=labels.get(LABEL_REPLACES, ""),
        spec=labels.get(LABEL_SPEC, ""),
        rehearsal=LABEL_REHEARSAL in labels,
        running=bool(state["Running"]) and not state["Restarting"],
        restarts=int(answer["RestartCount"]),
        exit_code=int(state["ExitCode"]),
        health=str((state.get("Health") or {}).get("Status", "")),
        networks={name: end["IPAddress"] for name, end in answer["NetworkSettings"]["Networks"].items()},
        replica=int(labels.get(LABEL_REPLICA, 0)),
        seat=_seat(labels[LABEL_SEAT]) if LABEL_SEAT in labels else None,
        started=None if started.startswith("0001") else datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", started)),
    )


def _seat(text: str) -> Seat:
    address, _, port = text.rpartition(":")
    return Seat(address=address, port=int(port))
