"""Files that a pipeline file includes: where they lie, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What an item of `include` asks for: a file of the including file's own repository, or of another one."""

    file: str
    git: str = ""
    ref: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a file lies: in the repository of the pipeline file (`git` is ""), or in another one at a commit."""

    file: str
    git: str = ""
    commit: str = ""
    digest: str = ""
    """`sha256:…` that its content must have; "" where nothing pins it but the commit."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.git}@{self.commit[:12]}:{self.file}" if self.git else self.file


class Includes(Protocol):
    """Finds and reads included files for one reading of one pipeline file; used by one thread.

    Errors that may leave: UsageError for what cannot be included (not pinned, not there, outside of the repository,
    not allowed), SourceUnreachableError where another repository cannot be asked.
    """

    def place(self, wanted: Wanted, *, by: Place) -> Place:
        """Where it lies; a file without `git` lies where `by` does."""

    def read(self, place: Place, *, limit: int) -> bytes:
        """Its content. UsageError when it is longer than `limit` bytes, or is not what the lock file says."""
