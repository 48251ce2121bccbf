"""A stage's berth: the service that holds room for it on a node of the swarm, and whether it can ever be had."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.executors.swarm.cluster import Node
from pipeline.executors.swarm.programs import program
from pipeline.model.container import ContainerSpec
from pipeline.model.identity import LABEL_ATTEMPT, LABEL_RUN, LABEL_SPEC, LABEL_STAGE, RunIdentity
from pipeline.model.value import digest_of
from pipeline.settings import Settings

ROLE_BERTH = "berth"
SOCKET = "/run/ecluse/docker.sock"
"""Where a program of ours finds the engine of its node."""
_READABLE = re.compile(r"[^a-z0-9]+")
_BILLION = 1_000_000_000
_MARGIN = 20.0
"""Seconds beyond the stage's grace period before the swarm kills what holds the berth."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What a stage needs for itself on a node: processors and bytes; 0 = it takes what there is."""

    cpu: float = 0.0
    memory: int = 0

    @classmethod
    def of(cls, spec: ContainerSpec, settings: Settings) -> Room:
        """What the stage asks for, else what every stage of this machine is given."""
        return cls(cpu=spec.resources.cpu or settings.cpu or 0.0, memory=spec.resources.memory or settings.memory or 0)


def berth_name(run: RunIdentity, stage: str, attempt: int) -> str:
    """The service's name, always the same for this attempt: a part to be read, and a digest to be unique."""
    digest = hashlib.sha256(run.name(ROLE_BERTH, stage, str(attempt)).encode()).hexdigest()[:16]
    words = _READABLE.sub("-", stage.lower())[:16].strip("-")
    return "-".join(part for part in ("ecluse", run.installation[:8], words, str(attempt), digest) if part)


def berth_service(spec: ContainerSpec, run: RunIdentity, settings: Settings, *, image: str) -> dict[str, Any]:
    """The body of the request that makes the service. Not a job: when a job is removed, what runs of it runs on."""
    room = Room.of(spec, settings)
    template: dict[str, Any] = {
        "ContainerSpec": {
            **own_container(image, settings),
            "Command": [*program("berth")],
            "Args": [SOCKET, json.dumps(_of_attempt(run, spec)), str(spec.grace)],
            "StopGracePeriod": int((spec.grace + _MARGIN) * _BILLION),
        },
        "Resources": {"Reservations": {"NanoCPUs": int(room.cpu * _BILLION), "MemoryBytes": room.memory}},
        "RestartPolicy": {"Condition": "none"},
        "Placement": {"Constraints": list(settings.swarm_constraints)},
    }
    labels = run.labels(ROLE_BERTH, stage=spec.stage, attempt=str(spec.attempt), spec=digest_of(json.dumps(template)))
    template["ContainerSpec"]["Labels"] = dict(labels)
    return {
        "Name": berth_name(run, spec.stage, spec.attempt),
        "Labels": dict(labels),
        "Mode": {"Replicated": {"Replicas": 1}},
        "TaskTemplate": template,
    }


def own_container(image: str, settings: Settings) -> dict[str, Any]:
    """What all programs of ours on nodes have: the engine's socket, and no right beyond it."""
    mount = {"Type": "bind", "Source": settings.swarm_socket, "Target": SOCKET, "ReadOnly": True}
    return {
        "Image": image,
        "User": "0",
        "Init": True,
        "ReadOnly": True,
        "CapabilityDrop": ["ALL"],
        "Mounts": [mount],
    }


def same_berth(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a service that is there is the one that is wanted."""
    return bool((found["Spec"].get("Labels") or {}).get(LABEL_SPEC) == wanted["Labels"][LABEL_SPEC])


def impossible(room: Room, nodes: Iterable[Node]) -> str:
    """Why no node can ever have that room; "" where one can, once others have left it."""
    known = [node for node in nodes if node.ready]
    if not known:
        return "no node of the swarm is ready"
    if any(node.cpus >= room.cpu and node.memory >= room.memory for node in known):
        return ""
    wide = max(known, key=lambda node: (node.cpus, node.memory))
    asked = [f"{room.cpu:g} processors"] * bool(room.cpu) + [f"{room.memory:,} bytes of memory"] * bool(room.memory)
    return (
        f"no node of the swarm has {' and '.join(asked)}: the largest is {wide.name} with {wide.cpus:g} processors "
        f"and {wide.memory:,} bytes"
    )


def _of_attempt(run: RunIdentity, spec: ContainerSpec) -> list[str]:
    """Labels that the containers of the attempt's steps have in common, and nobody else's."""
    return [f"{LABEL_RUN}={run.run}", f"{LABEL_STAGE}={spec.stage}", f"{LABEL_ATTEMPT}={spec.attempt}"]
