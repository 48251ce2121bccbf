"""Which folder of the depot holds which layer; found again on the engine after a crash."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.executors.docker.depot import Depot
from pipeline.executors.docker.slot_names import BATCH, slot_name
from pipeline.model.identity import LABEL_INSTALLATION, LABEL_RUN, ROLE_WORKSPACE, RunIdentity

if TYPE_CHECKING:
    from docker import APIClient

LABEL_LAYER = "io.ecluse.layer"
LABEL_SLOT = "io.ecluse.slot"
LABEL_BELOW = "io.ecluse.below"


class Slots:
    """Numbers of layers. A layer gets its slot when it is first named; the folders are made in batches."""

    def __init__(self, client: APIClient, run: RunIdentity, depot: Depot) -> None:
        self._client = client
        self._run = run
        self._depot = depot
        self._lock = threading.RLock()
        self._numbers: dict[str, int] = {}
        self._next = 0
        self._laid_out = depot.laid_out
        self._recovered = False
        self._claims: set[str] = set()

    def of(self, layer: str) -> str:
        """The slot of a layer, laid out."""
        with self._lock:
            self._recover()
            number = self._numbers.get(layer)
            if number is None:
                number = self._numbers[layer] = self._next
                self._next += 1
            while number >= self._laid_out:
                from pipeline.executors.docker.tar_blocks import END, batch

                self._depot.put("", iter((batch(self._laid_out) + END,)))
                self._laid_out += BATCH
            return slot_name(number)

    def known(self, layer: str) -> bool:
        """Whether the layer has been named before, also by a runner that died."""
        with self._lock:
            self._recover()
            return layer in self._numbers

    def labels(self, layer: str, below: Sequence[str] = ()) -> dict[str, str]:
        """What a volume carries so that the slot is found again, and those of the layers that it mounts `below`."""
        slot = self.of(layer)
        with self._lock:
            labels = {
                **self._run.labels(ROLE_WORKSPACE),
                LABEL_LAYER: layer,
                LABEL_SLOT: str(self._numbers[layer]),
                "io.ecluse.folder": slot,
            }
            if below:
                labels[LABEL_BELOW] = json.dumps({name: self._numbers[name] for name in below})
        return labels

    def claim(self, layer: str) -> None:
        """Remember on the engine that this layer, which no container mounts for writing, is complete."""
        name = self._run.name("layer", hashlib.sha256(layer.encode()).hexdigest()[:12])
        with self._lock:
            if name in self._claims:
                return
            self._claims.add(name)
        with translating("remember a layer of the workspace"):
            self._client.create_volume(name, labels=self.labels(layer))

    def _recover(self) -> None:
        if self._recovered:
            return
        self._recovered = True
        for volume in _volumes(self._client, self._run):
            if LABEL_SLOT not in volume["Labels"]:
                continue
            self._numbers[volume["Labels"][LABEL_LAYER]] = int(volume["Labels"][LABEL_SLOT])
            # a container made ahead mounts layers that nobody has written yet
            self._numbers |= json.loads(volume["Labels"].get(LABEL_BELOW, "{}"))
        if self._numbers:
            # folders that a dead runner had begun to fill are left alone
            self._next = (max(self._numbers.values()) // BATCH + 2) * BATCH
            self._laid_out = max(self._numbers.values()) // BATCH * BATCH + BATCH


def layers_of(client: APIClient, run: RunIdentity, depot: str) -> frozenset[str]:
    """The layers that a run has on the engine; none where the volume that their folders are in has gone."""
    found = _volumes(client, run)
    if all(volume["Name"] != depot for volume in found):
        return frozenset()
    return frozenset(volume["Labels"][LABEL_LAYER] for volume in found if LABEL_LAYER in volume["Labels"])


def _volumes(client: APIClient, run: RunIdentity) -> list[dict[str, Any]]:
    wanted = [f"{LABEL_INSTALLATION}={run.installation}", f"{LABEL_RUN}={run.run}"]
    with translating("look for layers of this run"):
        found: list[dict[str, Any]] = client.volumes(filters={"label": wanted})["Volumes"] or []
    return found
