"""Secrets of a promotion as files in a volume of its own, which outlives the containers that compose makes again."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from pipeline.dockerapi import translating
from pipeline.errors import EcluseError
from pipeline.model.identity import LABEL_PROMOTION
from pipeline.ports.target import Rollout
from pipeline.targets.docker.fleet import Fleet, secret_files

LABEL_SECRETS = "io.ecluse.secrets"


class SecretVolumes:
    """Those of one environment on one engine."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._client: Any = fleet.client

    def fill(self, order: Rollout) -> str:
        """The name of a volume with the order's secrets; "" where it has none.

        They reach it through a container that is never started: no command line, variable or file of ours has them.
        """
        if not order.secrets:
            return ""
        name = f"{self._fleet.name}-secrets-{order.promotion}"
        labels = {**self._fleet.labels, LABEL_PROMOTION: order.promotion, LABEL_SECRETS: "1"}
        self._fleet.remove(name)  # left behind by a killed promoter
        body = {
            "Image": order.image,
            "Cmd": ["none"],
            "Labels": labels,
            "HostConfig": {"Binds": [f"{name}:/run/secrets"], "NetworkMode": "none"},
        }
        with translating(f"bring the secrets into volume {name}"):
            self._client.create_volume(name, labels=labels)
            made = self._client.create_container_from_config(body, name)["Id"]
            try:
                self._client.put_archive(made, "/", secret_files(order.secrets))
            finally:
                self._client.remove_container(made, force=True)
        return name

    def there(self) -> frozenset[str]:
        """Names of those that exist."""
        wanted = [f"{key}={value}" for key, value in self._fleet.labels.items()] + [LABEL_SECRETS]
        with translating("look for volumes with secrets"):
            return frozenset(item["Name"] for item in self._client.volumes(filters={"label": wanted})["Volumes"] or ())

    def drop(self, *, but: Collection[str] = ()) -> None:
        """Remove all others; one that a container still has goes with the next promotion."""
        for name in self.there() - frozenset(but):
            self._fleet.remove(name)
            with suppress(EcluseError), translating(f"remove volume {name}"):
                self._client.remove_volume(name)
