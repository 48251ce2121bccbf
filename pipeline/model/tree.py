"""The files of a source as planning sees them: names, modes and digests, never content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pipeline.model.globs import matcher


class TreeFile(NamedTuple):
    """A file: its path from the root, a digest of its content (git's blob id does), and git's mode (`100755`)."""

    path: str
    digest: str
    mode: str = "100644"


class Tree:
    """The files of one source, listed when somebody first asks. Not for several threads."""

    def __init__(self, list_files: Callable[[], Iterable[TreeFile]]) -> None:
        self._list = list_files
        self._files: tuple[TreeFile, ...] | None = None
        self._digests: dict[tuple[str, ...], str] = {}

    @property
    def files(self) -> tuple[TreeFile, ...]:
        """All of them, by path."""
        if self._files is None:
            self._files = tuple(sorted(self._list()))
        return self._files

    def select(self, patterns: Sequence[str]) -> tuple[TreeFile, ...]:
        """The files that match one of the globs, and none of those that start with `!`."""
        wanted = matcher([pattern for pattern in patterns if not pattern.startswith("!")])
        unwanted = matcher([pattern[1:] for pattern in patterns if pattern.startswith("!")])
        return tuple(file for file in self.files if wanted(file.path) and not unwanted(file.path))

    def digest(self, patterns: Sequence[str]) -> str:
        """64 hex digits over path, mode and content of the files that match; of no files, a digest of nothing."""
        key = tuple(patterns)
        if key not in self._digests:
            total = hashlib.sha256()
            for file in self.select(patterns):
                total.update(f"{file.mode} {file.digest} {file.path}\0".encode("utf-8", "surrogateescape"))
            self._digests[key] = total.hexdigest()
        return self._digests[key]
