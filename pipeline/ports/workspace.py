"""Workspaces as layers: each stage sees the layers of those it needs, and writes into a layer of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from pipeline.model.container import View


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkspaceFile:
    """A regular file of a view: path relative to the workspace's root, mode bits, size in bytes.

    `content` can be read only until the next file is asked for.
    """

    path: str
    mode: int
    size: int
    content: IO[bytes]


class Workspace(Protocol):
    """The layers of one run. May be called from several threads, for different layers.

    Errors that may leave: EngineError and its kin, DiskFullError, StorageError.
    """

    def fill(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack a tar stream into a layer that no stage has used yet. Paths in it are relative to the root."""

    def read(self, view: View, patterns: Sequence[str]) -> Iterator[WorkspaceFile]:
        """Regular files of the merged view that match one of the globs (`**` crosses folders), in path order.

        Patterns are relative; one that leaves the workspace (absolute, `..`) matches nothing. Symlinks that leave the
        workspace are never followed.
        """

    def archive(self, view: View, path: str) -> Iterator[bytes]:
        """A tar stream of a folder of the merged view; names are relative to that folder.

        Raises NotFoundError when there is no such folder.
        """

    def save(self, layer: str, below: Sequence[str]) -> Iterator[bytes]:
        """A tar stream from which `restore` makes the same layer again, on this or on another executor of its name:
        what was written, and what was deleted of the layers `below` (nearest first)."""

    def restore(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Make a layer that no stage has used yet from what `save` gave. StorageError for what is no such stream."""
