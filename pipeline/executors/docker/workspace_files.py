"""Regular files of a workspace, found in the engine's tar streams without ever following a link out of it."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO

from pipeline.executors.archive import inside, readable
from pipeline.executors.docker.tar_modes import git_mode
from pipeline.model.globs import literal_root, matcher
from pipeline.ports.workspace import WorkspaceFile

Opener = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""Opens the tar stream of a path that goes through no link: entries are named from its last part on, the root's from
`.` on; without entries where there is no such path."""
MOST_LINKS = 8


def entries(chunks: Iterator[bytes]) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Entries of a tar stream one by one; the content of one can be read until the next is asked for."""
    with tarfile.open(fileobj=readable(chunks), mode="r|", bufsize=1 << 18) as archive:
        for entry in archive:
            vars(archive)["members"].clear()  # it would remember every entry
            yield entry, archive


def roots_of(patterns: Sequence[str]) -> tuple[str, ...]:
    """The folders and files to look into for these patterns, in path order, none within another."""
    wanted = sorted(
        {tuple(literal_root(item).split("/")) for item in patterns if item and inside(item) is not None},
    )
    kept: list[tuple[str, ...]] = []
    for root in wanted:
        if not any(other == ("",) or root[: len(other)] == other for other in kept):
            kept.append(root)
    return tuple("/".join(root) for root in kept)


def matching(patterns: Sequence[str], open_path: Opener) -> Iterator[WorkspaceFile]:
    """Files that match one of the patterns, in path order; what does not exist has no files.

    A symlink is read where it leads to a regular file of the workspace.
    """
    matches = matcher(patterns)
    for root in roots_of(patterns):
        with open_path(root) as chunks:
            for entry, archive in entries(chunks):
                below = entry.name[2:] if not root else entry.name.partition("/")[2]
                path = "/".join(part for part in (root, below.rstrip("/")) if part)
                if not matches(path):
                    continue
                if entry.isreg():
                    content = archive.extractfile(entry)
                    if content is not None:
                        yield _file(path, entry, content)
                elif entry.islnk():
                    yield from _alone(path, path, open_path, MOST_LINKS)
                elif entry.issym():
                    yield from _alone(path, target_of(path, entry.linkname), open_path, MOST_LINKS)


def target_of(path: str, link: str) -> str | None:
    """Where a symlink leads, as a path of the workspace; None when it leaves it."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return None if link.startswith("/") or target == ".." or target.startswith("../") else target


def _alone(path: str, place: str | None, open_path: Opener, links: int) -> Iterator[WorkspaceFile]:
    """One file asked for by itself: a further name of it comes with its content then."""
    if place is None or not links:
        return
    with open_path(place) as chunks:
        for entry, archive in entries(chunks):
            if entry.isreg():
                content = archive.extractfile(entry)
                if content is not None:
                    yield _file(path, entry, content)
            elif entry.issym():
                yield from _alone(path, target_of(place, entry.linkname), open_path, links - 1)
            return


def _file(path: str, entry: tarfile.TarInfo, content: IO[bytes]) -> WorkspaceFile:
    return WorkspaceFile(path=path, mode=git_mode(ord("0"), entry.mode), size=entry.size, content=content)
