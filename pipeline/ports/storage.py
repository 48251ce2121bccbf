"""Blobs by digest: logs, artifacts and reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


class Storage(Protocol):
    """Content-addressed blobs. Safe for several threads and processes; a half-written blob is never seen.

    Errors that may leave: StorageError, DiskFullError, NotFoundError (open).
    """

    def put(self, content: IO[bytes] | Iterable[bytes]) -> tuple[str, int]:
        """Store and return (`sha256:…`, size in bytes)."""

    def adopt(self, path: Path, digest: str) -> None:
        """Take a finished file of the same file system whose digest is known; the path is gone afterwards."""

    def open(self, digest: str) -> IO[bytes]:
        """Read a blob; its digest is checked when it was read to the end (StorageError if it is damaged)."""

    def head(self, digest: str, size: int) -> bytes:
        """At most its first `size` bytes, not compared with the digest: for looking through many quickly.

        NotFoundError when it is not there.
        """

    def has(self, digest: str) -> bool:
        """Whether it is there."""

    def size(self, digest: str) -> int:
        """Bytes; NotFoundError when it is not there."""

    def digests(self) -> Iterator[str]:
        """All blobs."""

    def delete(self, digest: str) -> None:
        """Drop a blob; nothing happens when it is not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A piece that is there: its name, and when it was last used (seconds since 1970)."""

    name: str
    used: float


class Shelf(Protocol):
    """Pieces by name, for as long as a run needs them. Names are relative paths of plain characters; a piece is
    seen only whole. Safe for threads, processes and, where it lies on a network, machines. Errors that may leave:
    StorageError, DiskFullError."""

    def send(self, name: str, content: IO[bytes], size: int) -> None:
        """Keep a piece."""

    def fetch(self, name: str) -> Iterator[bytes] | None:
        """Its chunks, or None."""

    def has(self, name: str) -> bool:
        """Whether it is there."""

    def delete(self, name: str) -> None:
        """Drop it; nothing happens when it is not there."""

    def names(self, prefix: str) -> Iterator[Kept]:
        """Pieces below a folder (`live/01JF…/`); one that comes or goes meanwhile may be missed."""
