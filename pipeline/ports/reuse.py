"""What earlier runs left for later ones: results of stages under their reuse keys, and caches under names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.model.definition import StageDefinition
from pipeline.model.plan import PlannedStage
from pipeline.model.run import Products


@dataclass(frozen=True, kw_only=True, slots=True)
class StageKey:
    """A stage's key with its inputs, or why there is none (yet)."""

    digest: str | None = None
    inputs: Mapping[str, str] | None = None
    why: str = ""
    lasting: bool = False
    """There will never be one: the stage, or one that it needs, changes the world outside the run."""
    serves: bool = False
    """Whether an earlier result under this key may serve."""
    sees_source: bool = False
    carried: str | None = None
    """What counts of it in the keys of the stages that need it."""


class StageKeys(Protocol):
    """Computes the keys of one run's stages. Safe for several threads."""

    def take(self, planned: PlannedStage) -> StageKey:
        """The key of a stage with what is known now; the stages that it needs must have been taken before."""

    def listing(self, stage: StageDefinition) -> Mapping[str, str]:
        """Path → mode and content id of the files of the source that a stage sees."""


class Identify(Protocol):
    """Tells what exactly stands behind the names in a pipeline file. Safe for several threads; raises nothing."""

    def reach_out(self) -> None:
        """From now on ask registries too, which may take a second each."""

    def image(self, reference: str) -> str:
        """A digest of an image on the engine, or of what its registry has now; "" where neither is known."""

    def has(self, reference: str, id: str) -> bool:  # noqa: A002 - as the engine calls it
        """Whether the engine still has a built image of that id under that name."""

    @property
    def platform(self) -> str:
        """`linux/amd64`; "" where it is not known."""


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

    def listing(self, name: str) -> Mapping[str, str] | None:
        """What `save_listing` was given, or None where it is not known any more."""

    def save_listing(self, name: str, files: Mapping[str, str]) -> None:
        """Keep path → mode and content id of files under the digest that stands for them in a key, so that a later
        run can say which of them differ."""

    def referenced_blobs(self) -> frozenset[str]:
        """Digests that entries and caches name."""

    def prune(self, *, before: datetime, most: int) -> int:
        """Drop entries and caches not used since `before`, then the longest unused until the blobs that only they
        name fit `most` bytes; returns how many were dropped. What was used within the last hour stays."""

    def close(self) -> tuple[str, ...]:
        """Finish what is under way behind the scenes; sentences for people on what could not be done."""
