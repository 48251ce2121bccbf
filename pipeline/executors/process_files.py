"""The files of a command's folder before it starts and after it has ended; the rest of the host is nobody's to see."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from pipeline.errors import StorageError, UsageError
from pipeline.executors.archive import CHUNK, member, readable, tar_stream
from pipeline.executors.process_tree import Node, node_at, scan
from pipeline.executors.process_unpacking import Unpacking
from pipeline.executors.process_workspace import failures
from pipeline.model.container import EXCHANGE, WORKSPACE


class ProcessFiles:
    """Implements `pipeline.ports.executor.ContainerFiles` for paths of the workspace and of the exchange folder."""

    def __init__(self, workspace: Path, exchange: Path | None) -> None:
        self._roots = {WORKSPACE: workspace} | ({EXCHANGE: exchange} if exchange else {})

    def put(self, folder: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack into the workspace or the exchange folder, never through a link. Raises UsageError for the host's."""
        found = self._split(folder)
        if found is None:
            raise UsageError(
                f"'{folder}' is outside the workspace, and commands run on this host",
                hint="name a folder of the workspace, or run with `--executor docker`",
            )
        root, inside = found
        with failures("write into the workspace"):
            unpacking = Unpacking(root, below=inside)
            try:
                with tarfile.open(fileobj=readable(archive), mode="r|*", bufsize=CHUNK) as members:
                    for info in members:
                        vars(members)["members"].clear()  # it would remember every entry
                        unpacking.put(members, info)
            except tarfile.TarError as error:
                raise StorageError(f"the archive for '{folder}' is broken: {error}") from error

    def get(self, path: str) -> Iterator[bytes] | None:
        """A tar stream; None for what is not there, and for all of the host."""
        found = self._split(path)
        if found is None:
            return None
        root, inside = found
        place = root
        for part in inside.split("/") if inside else ():
            if not stat.S_ISDIR(place.lstat().st_mode):
                return None
            place /= part
            if not os.path.lexists(place):
                return None
        node = node_at(place)
        return None if node is None else tar_stream(_members(place, node))

    def _split(self, path: str) -> tuple[Path, str] | None:
        """The root that a path is below, and the rest; None where it leaves them."""
        whole = os.path.normpath(os.path.join(WORKSPACE, path))  # noqa: PTH118 (a path of the container)
        for top, root in self._roots.items():
            if whole == top or whole.startswith(f"{top}/"):
                return root, whole[len(top) + 1 :]
        return None


def _members(place: Path, node: Node) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    yield _member(place.name, node)
    if node.folder:
        tree = scan(place)
        for path in sorted(tree):
            yield _member(f"{place.name}/{path}", tree[path])


def _member(name: str, node: Node) -> tuple[tarfile.TarInfo, IO[bytes] | None]:
    if node.link:
        return member(name, mode=0o777, kind=tarfile.SYMTYPE, link=node.link), None
    mode = stat.S_IMODE(node.mode)
    if node.folder:
        return member(name, mode=mode, kind=tarfile.DIRTYPE), None
    info = member(name, mode=mode, size=node.size)
    info.mtime = node.mtime // 1_000_000_000
    return info, node.place.open("rb")
