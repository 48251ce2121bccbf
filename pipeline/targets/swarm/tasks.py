"""The instances of a service as the swarm tells them: what each should be, what it is, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.model.identity import LABEL_PROMOTION, LABEL_RELEASE

RUNNING = "running"
ENDED = frozenset({"complete", "failed", "rejected"})
STOPPED = ENDED | {"shutdown", "remove", "orphaned"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A member of the swarm."""

    id: str
    name: str
    address: str
    up: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One try to run an instance; the swarm makes a new one when it has to start again."""

    id: str
    service: str
    slot: int
    node: Node | None
    """None before it is put on one."""
    wanted: str
    state: str
    words: str
    """What the swarm says about it where it is in trouble."""
    exit_code: int | None
    container: str
    image: str
    release: str
    promotion: str
    has_health: bool | None
    """Whether the file gives it a health check; None where only its image may have one."""
    since: datetime | None
    ports: tuple[int, ...]
    """TCP ports of its node that lead to it alone."""

    @property
    def runs(self) -> bool:
        """Whether it serves: it is meant to run, does, and its node answers. A health check has passed by then."""
        return self.wanted == RUNNING and self.state == RUNNING and self.node is not None and self.node.up

    @property
    def lives(self) -> bool:
        """Whether a process of it may still run somewhere."""
        return self.state not in STOPPED and self.node is not None and self.node.up and bool(self.container)

    @property
    def is_meant(self) -> bool:
        """Whether the swarm means it to run, now or once something else has made room."""
        return self.wanted in (RUNNING, "ready")

    @property
    def ended(self) -> bool:
        """Whether it came to an end by itself, or could not be started."""
        return self.state in ENDED

    def trouble(self) -> str:
        """Why it does not run, in one line."""
        where = f" on {self.node.name}" if self.node else ""
        if self.exit_code and self.state in ENDED and "unhealthy" not in self.words:
            return f"it ended with exit {self.exit_code}{where}"
        if self.state == "complete":
            return f"it ended with exit 0{where}"
        if "unhealthy" in self.words:
            return f"its health check says unhealthy{where}"
        return (self.words or f"it is {self.state}") + where


def nodes(answers: Iterable[Mapping[str, Any]]) -> Mapping[str, Node]:
    """Node id to node, from `GET /nodes`."""
    found = {}
    for item in answers:
        found[item["ID"]] = Node(
            id=item["ID"],
            name=item["Description"]["Hostname"],
            address=item["Status"].get("Addr", ""),
            up=item["Status"]["State"] == "ready",
        )
    return found


def tasks(answers: Iterable[Mapping[str, Any]], known: Mapping[str, Node]) -> tuple[Task, ...]:
    """Every task, by slot and age, from `GET /tasks`."""
    made = (_task(item, known) for item in sorted(answers, key=lambda item: (item.get("Slot", 0), item["CreatedAt"])))
    return tuple(made)


def _task(answer: Mapping[str, Any], known: Mapping[str, Node]) -> Task:
    status, container = answer["Status"], answer["Spec"]["ContainerSpec"]
    inside = status.get("ContainerStatus") or {}
    labels = container.get("Labels") or {}
    ports = (status.get("PortStatus") or {}).get("Ports") or ()
    return Task(
        id=answer["ID"],
        service=answer["ServiceID"],
        slot=answer.get("Slot", 0),
        node=known.get(answer.get("NodeID", "")),
        wanted=answer["DesiredState"],
        state=status["State"],
        words=status.get("Err", ""),
        exit_code=inside.get("ExitCode"),
        container=inside.get("ContainerID", ""),
        image=container["Image"],
        release=labels.get(LABEL_RELEASE, ""),
        promotion=labels.get(LABEL_PROMOTION, ""),
        has_health=True if container.get("Healthcheck") else None,
        since=_time(status["Timestamp"]) if status["State"] == RUNNING else None,
        ports=tuple(dict.fromkeys(item["PublishedPort"] for item in ports if item["Protocol"] == "tcp")),
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text))
