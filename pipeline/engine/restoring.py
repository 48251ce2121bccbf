"""Brings layers of the workspace back that stages left in an earlier run, when a stage that runs is to see them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import NotFoundError, StorageError

if TYPE_CHECKING:
    from pipeline.engine.layers import Layers
    from pipeline.engine.stage_log import AttemptLog
    from pipeline.ports.cancellation import Cancellation
    from pipeline.ports.storage import Storage
    from pipeline.ports.workspace import Workspace

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Awaited:
    """A layer that is not there yet: `archive` is the digest of what `Workspace.save` gave, "" where the stage wrote
    nothing, None where only running the stage again can bring it. `source` names the run that left it, for people."""

    archive: str | None
    source: str = ""
    damaged: Callable[[], None] = lambda: None
    """Called where the archive turned out to be missing or altered."""


class Restoring:
    """Knows which layers are awaited. Safe for several threads; each layer is brought back once.

    `remake` runs a stage again for its layer alone; it returns when the layer is there, or raises.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        workspace: Callable[[], Workspace],
        layers: Layers,
        remake: Callable[[str, AttemptLog, Cancellation], None],
    ) -> None:
        self._storage = storage
        self._workspace = workspace
        self._layers = layers
        self._remake = remake
        self._lock = threading.Lock()
        self._awaited: dict[str, Awaited] = {}
        self._making: dict[str, threading.Lock] = {}

    def expect(self, stage: str, awaited: Awaited) -> None:
        """Bring this stage's layer back when it is needed."""
        if awaited.archive == "":
            return
        with self._lock:
            self._awaited[stage] = awaited
            self._making[stage] = threading.Lock()

    def awaited_by(self, stage: str) -> tuple[str, ...]:
        """The stages whose layers this one would see and which are not there yet, farthest first."""
        if not self._awaited:
            return ()
        with self._lock:
            return tuple(name for name in reversed(self._layers.before(stage)) if name in self._awaited)

    def furnish(self, stage: str, log: AttemptLog, cancel: Cancellation) -> None:
        """Bring back all that this stage sees. Errors of the engine and of the storage leave; and those of a stage
        that had to run again."""
        for name in self.awaited_by(stage):
            with self._making[name]:
                awaited = self._awaited.get(name)
                if awaited is not None:
                    cancel.check()
                    self._bring(name, awaited, log, cancel)
                    with self._lock:
                        del self._awaited[name]

    def _bring(self, name: str, awaited: Awaited, log: AttemptLog, cancel: Cancellation) -> None:
        if awaited.archive is not None and self._whole(name, awaited, log):
            with self._storage.open(awaited.archive) as archive:
                self._workspace().restore(self._layers.own(name, 1), archive)
            self._layers.written(name, 1)
            log.note(f"brought back what {name} wrote{awaited.source and f' in {awaited.source}'}")
            return
        log.note(f"running {name} again for what it writes")
        self._remake(name, log, cancel)

    def _whole(self, name: str, awaited: Awaited, log: AttemptLog) -> bool:
        """Whether the archive is there and is what its digest says: it is read once before any of it is believed."""
        if whole(self._storage, awaited.archive or ""):
            return True
        log.note(f"what was kept of {name} is missing or damaged: it is dropped")
        awaited.damaged()
        return False


def whole(storage: Storage, digest: str) -> bool:
    """Whether a blob is there and undamaged."""
    try:
        with storage.open(digest) as content:
            while content.read(_CHUNK):
                pass
    except (StorageError, NotFoundError):
        return False
    return True
