"""Which layers of a run the store has: noted with the swarm's managers, so that any runner finds them."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from pipeline.errors import StorageError
from pipeline.executors.swarm.cluster import Cluster
from pipeline.model.identity import LABEL_INSTALLATION, LABEL_ROLE, LABEL_RUN, ROLE_WORKSPACE, RunIdentity
from pipeline.ports.storage import Shelf

IN_MEMORY = 8 << 20
FILLED, SAVED = "filled", "saved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A layer in the store: how it was made (`filled` from a plain archive or `saved` from a stage), the digest of its
    archive, the layers that lay below, and the node that it was made on."""

    layer: str
    kind: str
    digest: str
    size: int
    below: tuple[str, ...] | None = None
    node: str = ""


class Layers:
    """Index and archives of one run. May be called from several threads. Errors: StorageError, DiskFullError,
    EngineError and kin."""

    def __init__(self, cluster: Cluster, run: RunIdentity, shelf: Shelf) -> None:
        self._cluster = cluster
        self._run = run
        self._shelf = shelf
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Stored, str]] | None = None

    def get(self, layer: str) -> Stored | None:
        """What is known of a layer."""
        with self._lock:
            found = self._all().get(layer)
        return found[0] if found else None

    def all(self) -> tuple[Stored, ...]:
        """Every layer."""
        with self._lock:
            return tuple(stored for stored, _ in self._all().values())

    def keep(self, layer: str, kind: str, archive: Iterable[bytes], *, below: tuple[str, ...] | None, node: str) -> str:
        """Store a layer and note it; its digest. One of that name before is forgotten."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
            counted = hashlib.sha256()
            size = 0
            for chunk in archive:
                counted.update(chunk)
                size += len(chunk)
                spool.write(chunk)
            spool.seek(0)
            stored = Stored(
                layer=layer, kind=kind, digest=f"sha256:{counted.hexdigest()}", size=size, below=below, node=node
            )
            self._shelf.send(self._name(stored.digest), _whole(spool), size)
        self._note(stored)
        return stored.digest

    def fetch(self, stored: Stored) -> Iterator[bytes]:
        """Its archive; StorageError where it is gone, or turns out to be another."""
        chunks = self._shelf.fetch(self._name(stored.digest))
        if chunks is None:
            raise StorageError(
                f"the layer '{stored.layer}' of the workspace is not in the store any more",
                hint="`ecluse retry` makes it again",
            )
        return _checked(chunks, stored)

    def lost(self, layers: Iterable[str]) -> frozenset[str]:
        """Those that a later session would not find."""
        with self._lock:
            known = dict(self._all())
        return frozenset(
            layer for layer in layers if layer not in known or not self._shelf.has(self._name(known[layer][0].digest))
        )

    def clear(self) -> None:
        """Forget all of the run, and drop the archives."""
        with self._lock:
            known, self._known = self._all(), {}
        for digest in {stored.digest for stored, _ in known.values()}:
            self._shelf.delete(self._name(digest))
        for config in self._cluster.kept("config", self._labels):
            self._cluster.forget("config", str(config["ID"]))

    def _all(self) -> dict[str, tuple[Stored, str]]:
        if self._known is None:
            found = self._cluster.kept("config", self._labels)
            self._known = {}
            for config in sorted(found, key=lambda item: str(item["CreatedAt"])):
                facts = json.loads(base64.b64decode(config["Spec"]["Data"]))
                facts["below"] = None if facts["below"] is None else tuple(facts["below"])
                self._known[facts["layer"]] = (Stored(**facts), str(config["ID"]))
        return self._known

    def _note(self, stored: Stored) -> None:
        text = {name: getattr(stored, name) for name in ("layer", "kind", "digest", "size", "below", "node")}
        with self._lock:
            before = self._all().get(stored.layer)
        if before is not None and before[0] == stored:
            return
        digest = hashlib.sha256(f"{self._run.run} {json.dumps(text)}".encode()).hexdigest()[:24]
        name = f"ecluse-{self._run.installation[:8]}-layer-{digest}"
        made = self._cluster.keep("config", name, json.dumps(text).encode(), self._labels)
        with self._lock:
            self._all()[stored.layer] = (stored, made)
        if before is not None:
            self._cluster.forget("config", before[1])

    def _name(self, digest: str) -> str:
        return f"layers/{self._run.run}/{digest.removeprefix('sha256:')}"

    @property
    def _labels(self) -> dict[str, str]:
        return {
            LABEL_INSTALLATION: self._run.installation,
            LABEL_RUN: self._run.run,
            LABEL_ROLE: ROLE_WORKSPACE,
        }


def _whole(spool: tempfile.SpooledTemporaryFile[bytes]) -> IO[bytes]:
    return spool


def _checked(chunks: Iterable[bytes], stored: Stored) -> Iterator[bytes]:
    counted = hashlib.sha256()
    for chunk in chunks:
        counted.update(chunk)
        yield chunk
    if f"sha256:{counted.hexdigest()}" != stored.digest:
        raise StorageError(
            f"the layer '{stored.layer}' of the workspace is damaged in the store", hint="`ecluse retry` makes it again"
        )
