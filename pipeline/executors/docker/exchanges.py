"""Folders through which containers hand things to the engine: any user may write there, whatever the root allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.executors.docker.depot import Depot, volume_mount
from pipeline.executors.docker.slots import Slots
from pipeline.model.container import EXCHANGE
from pipeline.model.identity import RunIdentity

if TYPE_CHECKING:
    from docker import APIClient


class Exchanges:
    """One folder of the depot a container, seen through a volume of its own that mounts that folder alone."""

    def __init__(self, client: APIClient, run: RunIdentity, depot: Depot, slots: Slots) -> None:
        self._client = client
        self._run = run
        self._depot = depot
        self._slots = slots

    def mount(self, container: str) -> Mapping[str, Any]:
        """What the container of this name must mount; made here."""
        layer = f"exchange:{container}"
        name = self._run.name("exchange", container.removeprefix(self._run.name("")))
        folder = f"{self._depot.mountpoint}/{self._slots.of(layer)}/u"
        with translating("create a folder for a stage's results"):
            self._client.create_volume(
                name,
                driver="local",
                driver_opts={"type": "none", "device": folder, "o": "bind"},
                labels=self._slots.labels(layer),
            )
        self._depot.furnished()
        return volume_mount(name, EXCHANGE)
