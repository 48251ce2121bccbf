"""The containers of a compose project as the engine knows them: those of the service, and its neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.dockerapi import translating
from pipeline.errors import TargetError
from pipeline.model.identity import LABEL_ENVIRONMENT
from pipeline.targets.compose.version import LABEL_BEFORE, LABEL_VERSION, Version, version_of
from pipeline.targets.docker.fleet import LABEL_SERVICE, Deployed, Fleet
from pipeline.targets.docker.options import Published

LABEL_PROJECT = "com.docker.compose.project"
LABEL_MEMBER = "com.docker.compose.service"
LABEL_ONE_OFF = "com.docker.compose.oneoff"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A container of the service. `before` is what it replaced, by its own labels."""

    deployed: Deployed
    version: Version
    before: Version | None
    image: str
    published: tuple[Published, ...]
    labels: Mapping[str, str]

    @property
    def promotion(self) -> str:
        """Which promotion brought it in; "" = a person did."""
        return self.version.promotion

    @property
    def serving(self) -> bool:
        """Compose has no other place for a container than its ports."""
        return self.deployed.running


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """A service that ours depends on; `once`: it does its work and ends."""

    name: str
    once: bool


class Project:
    """Looks at one compose project on one engine."""

    def __init__(self, fleet: Fleet, *, project: str, service: str) -> None:
        self._fleet = fleet
        self._client = fleet.client
        self._project = project
        self._service = service

    def members(self) -> tuple[Member, ...]:
        """Containers of our service, oldest first: this environment's, and what a person has started. Those of another
        environment, pipeline or installation are invisible."""
        return tuple(item for item in self._all() if not self._owner_of(item))

    def refuse_others(self) -> None:
        """TargetError where the service belongs to another environment, pipeline or installation."""
        for item in self._all():
            if owner := self._owner_of(item):
                raise TargetError(
                    f"environment '{self._fleet.environment}': compose service '{self._service}' of project "
                    f"'{self._project}' belongs to {owner}, as its container {item.deployed.name} says",
                    hint="give each environment a project of its own; an installation looks after its own only",
                )

    def _all(self) -> list[Member]:
        found = (self._member(item) for item in self.containers(self._service))
        return [item for item in found if item]

    def containers(self, service: str) -> list[str]:
        """Ids of a service's containers, running or not, oldest first."""
        wanted = [f"{LABEL_PROJECT}={self._project}", f"{LABEL_MEMBER}={service}"]
        with translating(f"list the containers of compose service {service}"):
            found = self._client.containers(all=True, filters={"label": wanted})
        mine = [item for item in found if (item.get("Labels") or {}).get(LABEL_ONE_OFF) != "True"]
        return [item["Id"] for item in sorted(mine, key=lambda item: (int(item["Created"]), item["Id"]))]

    def missing(self, neighbours: Iterable[Neighbour]) -> list[Neighbour]:
        """Those that do not run; one that works once is there when it has ended well."""
        return [item for item in neighbours if not any(self._there(item, id_) for id_ in self.containers(item.name))]

    def _there(self, neighbour: Neighbour, container: str) -> bool:
        seen = self._fleet.look(container)
        if seen is None:
            return False
        return seen.running or (neighbour.once and seen.started is not None and seen.exit_code == 0)

    def _member(self, container: str) -> Member | None:
        import docker.errors

        deployed = self._fleet.look(container)
        with translating(f"inspect container {container[:12]}"):
            try:
                answer = self._client.inspect_container(container)
            except docker.errors.NotFound:
                return None
        if deployed is None:
            return None
        labels = answer["Config"]["Labels"] or {}
        version = version_of(labels.get(LABEL_VERSION, ""))
        return Member(
            deployed=deployed,
            version=version or Version(image=answer["Image"]),
            before=version_of(labels.get(LABEL_BEFORE, "")),
            image=self._image(answer),
            published=_published(answer),
            labels=labels,
        )

    def _owner_of(self, item: Member) -> str:
        """Whose it is where it is not ours; "" for ours, and for what a person has started."""
        labels = item.labels
        if LABEL_ENVIRONMENT not in labels or self._fleet.labels.items() <= labels.items():
            return ""
        return f"environment '{labels[LABEL_ENVIRONMENT]}' of pipeline '{labels.get(LABEL_SERVICE, '')}'"

    def _image(self, answer: Mapping[str, Any]) -> str:
        """By digest, whatever a person wrote; the engine's id of an image that came from no registry."""
        written = str(answer["Config"]["Image"])
        labelled = version_of((answer["Config"]["Labels"] or {}).get(LABEL_VERSION, ""))
        if "@sha256:" in written or (labelled and labelled.image == written):
            return written
        store: Any = self._client
        with translating(f"look for image {written}"):
            names = store.inspect_image(answer["Image"]).get("RepoDigests") or ()
        return str(next(iter(names), answer["Image"]))


def base_of(members: Sequence[Member], promotion: str) -> Version | None:
    """What this promotion is to go back to. Its own containers say it; else what serves, or has served last. One that
    never started is what a killed promoter left: then what that one replaced counts."""
    mine = [item for item in members if item.promotion == promotion]
    if mine:
        return mine[0].before
    ranked = sorted(members, key=lambda item: (item.serving, item.deployed.started is not None))
    if not ranked:
        return None
    last = ranked[-1]
    return last.version if last.deployed.started else last.before


def neighbours(resolved: Mapping[str, Any], service: str) -> tuple[Neighbour, ...]:
    """All that the service depends on, nearest last."""
    services = resolved.get("services") or {}
    found: dict[str, Neighbour] = {}
    seen = {service}

    def follow(name: str) -> None:
        for other, once in _needs(services.get(name) or {}):
            if other in services and other not in seen:
                seen.add(other)
                follow(other)
                found[other] = Neighbour(name=other, once=once)

    follow(service)
    return tuple(found.values())


def _needs(body: Mapping[str, Any]) -> Iterable[tuple[str, bool]]:
    written = body.get("depends_on") or ()
    conditions = written if isinstance(written, Mapping) else dict.fromkeys(written)
    for name, how in conditions.items():
        yield name, (how or {}).get("condition") == "service_completed_successfully"
    for link in body.get("links") or ():
        yield str(link).partition(":")[0], False
    mode = str(body.get("network_mode", ""))
    if mode.startswith("service:"):
        yield mode.removeprefix("service:"), False


def _published(answer: Mapping[str, Any]) -> tuple[Published, ...]:
    found: list[Published] = []
    for inside, bindings in (answer["NetworkSettings"]["Ports"] or {}).items():
        port, _, protocol = inside.partition("/")
        found.extend(
            Published(address=item["HostIp"], host=int(item["HostPort"]), port=int(port), protocol=protocol)
            for item in bindings or ()
        )
    return tuple(found)
