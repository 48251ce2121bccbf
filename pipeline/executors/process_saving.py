"""A layer's folder as members of an archive: modes, times, links and further names as they are."""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import IO

from pipeline.executors.archive import member
from pipeline.executors.layer_stream import make_opaque, set_time, whiteout
from pipeline.executors.process_tree import Node, Tree

Member = tuple[tarfile.TarInfo, IO[bytes] | None]


def saved_members(tree: Tree, removed: AbstractSet[str]) -> Iterator[Member]:
    """Everything of the tree in path order, and what was removed; a removed folder that is there again hides."""
    names: dict[tuple[int, int], str] = {}
    for path in sorted({*tree, *removed}):
        node = tree.get(path)
        if node is None:
            yield whiteout(path), None
            continue
        yield _member(path, node, names, hides=path in removed)


def _member(path: str, node: Node, names: dict[tuple[int, int], str], *, hides: bool) -> Member:
    known = node.place.lstat()
    mode = stat.S_IMODE(node.mode)
    if node.link:
        info = member(path, mode=0o777, kind=tarfile.SYMTYPE, link=node.link)
    elif node.folder:
        info = member(path, mode=mode, kind=tarfile.DIRTYPE)
        if hides:
            make_opaque(info)
    elif known.st_nlink > 1 and names.setdefault((known.st_dev, known.st_ino), path) != path:
        return member(path, mode=mode, kind=tarfile.LNKTYPE, link=names[known.st_dev, known.st_ino]), None
    else:
        info = member(path, mode=mode, size=known.st_size)
    set_time(info, known.st_mtime_ns)
    return info, node.place.open("rb") if info.isreg() else None
