"""What the swarm keeps for one promotion: its secrets, and how the service was before it, until it is confirmed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pipeline.dockerapi import translating
from pipeline.model.identity import LABEL_PROMOTION
from pipeline.ports.target import Rollout
from pipeline.targets.swarm.cluster import Cluster
from pipeline.targets.swarm.spec import Kept, Spec

_NAME = re.compile(r"[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?")
LONGEST = 64
"""Characters that a swarm takes for the name of a secret or a config."""
LABEL_BEFORE = "io.ecluse.before"


def object_name(service: str, promotion: str, part: str) -> str:
    """A deterministic name: readable where the swarm takes it, else a digest."""
    text = f"{service}-{promotion}-{part}"
    if len(text) <= LONGEST and _NAME.fullmatch(text):
        return text
    return f"ecluse-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


class Keepsakes:
    """Secrets and configs of one environment, labelled with their promotion; those of others are invisible to it."""

    def __init__(self, cluster: Cluster, *, service: str, labels: Mapping[str, str]) -> None:
        self._client: Any = cluster.client
        self._service = service
        self._labels = dict(labels)

    def secrets(self, order: Rollout) -> tuple[Kept, ...]:
        """The order's secrets as objects of the swarm, made if they are not there yet; values never leave it again."""
        if not order.secrets:
            return ()
        there = {item["Spec"]["Name"]: item["ID"] for item in self._listed("secrets", order.promotion)}
        kept = []
        for file, value in sorted(order.secrets.items()):
            name = object_name(self._service, order.promotion, file)
            if name not in there:
                with translating(f"create secret {name}"):
                    labels = {**self._labels, LABEL_PROMOTION: order.promotion}
                    there[name] = self._client.create_secret(name, value.encode(), labels)["ID"]
            kept.append(Kept(file=file, id=there[name], name=name))
        return tuple(kept)

    def remember(self, promotion: str, before: Spec) -> None:
        """Keep how the service was before this promotion. What was kept first stays."""
        if self.before(promotion) is not None:
            return
        name = object_name(self._service, promotion, "before")
        labels = {**self._labels, LABEL_PROMOTION: promotion, LABEL_BEFORE: "1"}
        with translating(f"create config {name}"):
            self._client.create_config(name, json.dumps(before).encode(), labels)

    def before(self, promotion: str) -> Spec | None:
        """How the service was before this promotion; None where it was not there, or the promotion is confirmed."""
        return self.all_before().get(promotion)

    def all_before(self) -> Mapping[str, Spec]:
        """Each promotion that is not confirmed, to how the service was before it."""
        return {
            item["Spec"]["Labels"][LABEL_PROMOTION]: json.loads(base64.b64decode(item["Spec"]["Data"]))
            for item in self._listed("configs")
            if LABEL_BEFORE in item["Spec"]["Labels"]
        }

    def settle(self, promotion: str) -> None:
        """That promotion is what counts now: how anything was before is forgotten, and so are secrets of others."""
        for item in self._listed("configs"):
            self._drop("configs", item["ID"])
        for item in self._listed("secrets"):
            if item["Spec"]["Labels"].get(LABEL_PROMOTION) != promotion:
                self._drop("secrets", item["ID"])

    def forget(self, promotion: str = "") -> None:
        """Remove what is kept for a promotion, or for all. What a service still uses stays for the next time."""
        for kind in ("configs", "secrets"):
            for item in self._listed(kind, promotion):
                self._drop(kind, item["ID"])

    def _drop(self, kind: str, key: str) -> None:
        import docker.errors

        with translating(f"remove one of the {kind} of a promotion"):
            try:
                remove = self._client.remove_secret if kind == "secrets" else self._client.remove_config
                remove(key)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if "is in use" not in str(error.explanation):
                    raise

    def _listed(self, kind: str, promotion: str = "") -> list[Mapping[str, Any]]:
        labels = {**self._labels, **({LABEL_PROMOTION: promotion} if promotion else {})}
        wanted = {"label": [f"{key}={value}" for key, value in labels.items()]}
        with translating(f"list the {kind} of an environment"):
            found: list[Mapping[str, Any]] = getattr(self._client, kind)(filters=wanted)
        return found
