"""What earlier runs left for later ones: results of stages under their reuse keys, and caches under names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.model.run import Products


@dataclass(frozen=True, kw_only=True, slots=True)
class ReuseEntry:
    """A succeeded stage attempt that may serve again. All blobs are named by digest and lie in the storage."""

    key: str
    stage: str
    run: str
    """Id of the run that did the work."""
    attempt: int
    created: datetime
    inputs: Mapping[str, str]
    """Each input of the key with its own digest, so that a difference can be named."""
    products: Products
    number: int = 0
    """The run's number in its installation; 0 where it is not known."""
    installation: str = ""
    """Id of the installation that ran it: numbers of another one mean nothing here."""
    reason: str = ""
    """How the attempt ended: `exit 0`, `12 tests passed`."""
    log: str = ""
    log_lines: int = 0
    service_logs: Mapping[str, str] = field(default_factory=dict)
    layer: str = ""
    """Digest of the archive that `Workspace.save` gave; "" when the stage wrote nothing or `layer_kept` is False."""
    layer_kept: bool = True
    """False where no stage of that run stood behind it, so that its layer was not kept."""
    executor: str = "docker"
    seconds: float = 0.0

    @property
    def blobs(self) -> tuple[str, ...]:
        """Every digest that must be there for the entry to be believed."""
        named = (self.log, *self.service_logs.values(), self.layer, *(one.digest for one in self.products.artifacts))
        return tuple(item for item in named if item)


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheEntry:
    """An archive kept under a name."""

    key: str
    digest: str
    size: int
    created: datetime
    paths: tuple[str, ...] = field(default=())


class ReuseStore(Protocol):
    """Entries by scope (`model.trust`). Safe for several threads, processes and, where shared, machines.

    An entry is seen only as a whole; one whose blobs are missing, or that was altered, is dropped, not served.
    Errors that may leave: StorageError, DiskFullError. No error of it ever fails a stage.
    """

    def find(self, key: str, scopes: Sequence[str]) -> ReuseEntry | None:
        """The entry under a key in the first of the scopes that has one."""

    def nearest(self, repository: str, stage: str, scopes: Sequence[str]) -> ReuseEntry | None:
        """The newest entry of a stage of a repository, to say what differs; None when there is none."""

    def save(self, entry: ReuseEntry, *, repository: str, scope: str, replace: bool = False) -> None:
        """Keep an entry; one that is there already under the key stays, unless it is to be replaced."""

    def drop(self, key: str, scopes: Sequence[str]) -> None:
        """Forget what is under a key: it turned out to be damaged."""

    def find_cache(
        self, repository: str, key: str, fallback: Sequence[str], scopes: Sequence[str]
    ) -> CacheEntry | None:
        """The cache of that key, else the newest whose key starts with one of `fallback`, in order."""

    def save_cache(self, repository: str, entry: CacheEntry, *, scope: str) -> None:
        """Keep a cache; one that is there already under the key stays."""

    def listing(self, tree: str) -> Mapping[str, str] | None:
        """Path → mode and content id of the files of a tree of an earlier run, or None where it is not known."""

    def save_listing(self, tree: str, files: Mapping[str, str]) -> None:
        """Keep what a tree holds, so that a later run can say which file differs."""

    def referenced_blobs(self) -> frozenset[str]:
        """Digests that entries and caches name."""

    def prune(self, *, before: datetime, most: int) -> int:
        """Drop entries and caches not used since `before`, then the longest unused until the blobs that only they
        name fit `most` bytes; returns how many were dropped. What was used within the last hour stays."""

    def close(self) -> tuple[str, ...]:
        """Finish what is under way behind the scenes; sentences for people on what could not be done."""
