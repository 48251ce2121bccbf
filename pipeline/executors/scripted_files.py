"""The files of a pretended container: the workspace's layer, and whatever was put or left elsewhere."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO

from pipeline.executors.archive import readable, tar_stream
from pipeline.executors.scripted_workspace import Entry, MemoryWorkspace, entry_of, header_of
from pipeline.model.container import WORKSPACE, View


class ScriptedFiles:
    """Implements `pipeline.ports.executor.ContainerFiles`; `root` holds regular files by absolute path."""

    def __init__(self, workspace: MemoryWorkspace, view: View | None, root: dict[str, Entry]) -> None:
        self._workspace = workspace
        self._view = view
        self._root = root

    def put(self, folder: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack; a path below the workspace goes into the stage's layer."""
        place = posixpath.normpath(posixpath.join(WORKSPACE, folder))
        with tarfile.open(fileobj=readable(archive), mode="r|*") as members:
            for info in members:
                path = posixpath.normpath(posixpath.join(place, info.name))
                below = self._below(path)
                if below is None:
                    self._root[path] = entry_of(members, info)
                elif below and self._view is not None:
                    self._workspace.put(self._view.layer, below, entry_of(members, info))

    def get(self, path: str) -> Iterator[bytes] | None:
        """A tar stream of what is there."""
        whole = posixpath.normpath(posixpath.join(WORKSPACE, path))
        below = self._below(whole)
        known = self._root
        if below is not None:
            merged = self._workspace.merged(self._view) if self._view is not None else {}
            known = {posixpath.normpath(posixpath.join(WORKSPACE, item)): entry for item, entry in merged.items()}
            known.setdefault(WORKSPACE, Entry(0o755, folder=True))
        found = {item: entry for item, entry in known.items() if item == whole or item.startswith(f"{whole}/")}
        if not found:
            return None
        start = len(posixpath.dirname(whole).rstrip("/")) + 1
        found.setdefault(whole, Entry(0o755, folder=True))
        return tar_stream(_told(item[start:], entry) for item, entry in sorted(found.items()))

    def _below(self, path: str) -> str | None:
        if path == WORKSPACE:
            return ""
        return path.removeprefix(f"{WORKSPACE}/") if path.startswith(f"{WORKSPACE}/") else None


def _told(name: str, entry: Entry) -> tuple[tarfile.TarInfo, IO[bytes] | None]:
    return header_of(name, entry), None if entry.folder or entry.link else io.BytesIO(entry.content)
