"""Regular files of a workspace, found in the engine's tar streams without ever following a link."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import IO

from pipeline.executors.docker.globs import Globs
from pipeline.executors.docker.tar_modes import git_mode
from pipeline.ports.workspace import WorkspaceFile

Opener = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""Opens the tar stream of a path: its entries are named from the path's last part on (`.` for the root)."""


class ChunkReader(io.RawIOBase):
    """A file over chunks, as tarfile wants it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, room: object) -> int:
        """Fill what there is room for from the next chunk."""
        view = memoryview(room)  # type: ignore[arg-type]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def entries(chunks: Iterator[bytes]) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Entries of a tar stream one by one."""
    reader = io.BufferedReader(ChunkReader(chunks), 1 << 18)
    with tarfile.open(fileobj=reader, mode="r|", bufsize=1 << 18, errorlevel=2) as archive:
        for entry in archive:
            vars(archive)["members"].clear()  # it would remember every entry
            yield entry, archive


def matching(globs: Globs, open_path: Opener) -> Iterator[WorkspaceFile]:
    """Files below the globs' roots that match; what does not exist has no files."""
    for root in globs.roots:
        with open_path(root) as chunks:
            for entry, archive in entries(chunks):
                _, _, below = entry.name.removeprefix("./").partition("/") if root else ("", "", entry.name[2:])
                path = "/".join(part for part in (root, below) if part)
                if not (entry.isreg() or entry.islnk()) or not globs.matches(path):
                    continue
                if entry.islnk():
                    yield from _linked(path, open_path)
                    continue
                content = archive.extractfile(entry)
                if content is not None:
                    yield _file(path, entry, content)


def _linked(path: str, open_path: Opener) -> Iterator[WorkspaceFile]:
    """A further name of a file that the stream has already shown: asked for alone, it comes with its content."""
    with open_path(path) as chunks:
        for entry, archive in entries(chunks):
            content = archive.extractfile(entry)
            if content is not None and entry.isreg():
                yield _file(path, entry, content)


def _file(path: str, entry: tarfile.TarInfo, content: IO[bytes]) -> WorkspaceFile:
    return WorkspaceFile(path=path, mode=git_mode(ord("0"), entry.mode), size=entry.size, content=content)
