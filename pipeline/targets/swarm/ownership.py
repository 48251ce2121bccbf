"""Whose a service is, which promotion made it what it is, and who held the newest lease when it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import TargetError
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
from pipeline.targets.refusing import refuse_stale
from pipeline.targets.sameness import spec_digest, spelled
from pipeline.targets.swarm.cluster import Service
from pipeline.targets.swarm.options import SwarmOptions
from pipeline.targets.swarm.spec import Part, Spec

LABEL_SERVICE = "io.ecluse.service"
LABEL_PART = "io.ecluse.part"
LABEL_FENCE = "io.ecluse.fence"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ownership:
    """An environment of a pipeline. Several installations may look after one: who wrote last is on the label."""

    environment: str
    pipeline: str
    installation: str

    @property
    def marks(self) -> Mapping[str, str]:
        """What everything of this environment carries, whoever made it."""
        return {LABEL_ROLE: ROLE_TARGET, LABEL_ENVIRONMENT: self.environment, LABEL_SERVICE: self.pipeline}

    def labels(self, order: Rollout, options: SwarmOptions, part: Part) -> Mapping[str, str]:
        """Of a service that is made for this order."""
        return {
            **self.marks,
            LABEL_INSTALLATION: self.installation,
            LABEL_RELEASE: order.release,
            LABEL_PROMOTION: order.promotion,
            LABEL_SPEC: spec_digest(order, options=spelled(options)),
            LABEL_FENCE: str(order.fence),
            LABEL_PART: part,
        }

    def refuse_others(self, service: Service | None) -> None:
        """TargetError where a service with our name is not this environment's."""
        if service is None or all(service.labels.get(key) == value for key, value in self.marks.items()):
            return
        theirs = service.labels.get(LABEL_ENVIRONMENT)
        owner = f"environment '{theirs}' of {service.labels.get(LABEL_SERVICE)}" if theirs else "somebody else"
        raise TargetError(
            f"environment '{self.environment}': service {service.name} belongs to {owner}; nothing was done to it",
            hint="give the target another `service`, or remove that one if nobody needs it",
        )

    def admit(self, fence: int, *services: Service) -> int:
        """LeaseLostError where somebody with a newer lease has given orders here; the newest lease there is now."""
        seen = max((fence_of(item) for item in services), default=0)
        refuse_stale(fence, seen, environment=self.environment)
        return max(fence, seen)


def promotion_of(service: Service) -> str:
    """The promotion that made the service what it is."""
    return service.labels.get(LABEL_PROMOTION, "")


def part_of(service: Service) -> Part:
    """Which of the environment's services it is."""
    return Part(service.labels.get(LABEL_PART, ""))


def fence_of(service: Service) -> int:
    """The highest token that gave orders."""
    text = service.labels.get(LABEL_FENCE, "0")
    return int(text) if text.isdecimal() else 0


def with_labels(spec: Spec, labels: Mapping[str, str]) -> Spec:
    """The same service, labelled so as well; its instances stay as they are."""
    return {**spec, "Labels": {**(spec.get("Labels") or {}), **labels}}
