"""Trees of files: listing, merging as overlay would, copying out, and telling what a stage changed."""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import shutil
import stat
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

_FICLONE = 0x40049409
"""ioctl that shares a file's blocks (linux/fs.h); only some file systems can."""
_TICK_NS = 20_000_000
"""Longer than the coarsest clock of file times (10 ms): a change within it may not show in them."""


@dataclass(frozen=True, slots=True)
class Node:
    """A file, folder or symlink of a layer; `place` is where it lies."""

    place: Path
    mode: int
    size: int = 0
    mtime: int = 0
    """Nanoseconds."""
    link: str = ""

    @property
    def folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)


Tree = Mapping[str, Node]
"""By path relative to the root; every folder is in it."""

_Marks = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied out for a stage: how each file looked, and when that was taken down."""

    marks: Mapping[str, _Marks]
    time: int


def scan(root: Path) -> Tree:
    """All that is in a folder; sockets, pipes and devices are left out."""
    found: dict[str, Node] = {}
    open_folders = [""]
    while open_folders:
        folder = open_folders.pop()
        for entry in _entries(root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            node = _node(entry)
            if node is None:
                continue
            found[path] = node
            if node.folder:
                open_folders.append(path)
    return found


def node_at(place: Path) -> Node | None:
    """What lies at one place; None for sockets, pipes and devices."""
    return _described(place, place.lstat())


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except PermissionError:
        folder.chmod(0o700)  # a stage may have shut its own folder
        return list(os.scandir(folder))


def _node(entry: os.DirEntry[str]) -> Node | None:
    return _described(Path(entry.path), entry.stat(follow_symlinks=False))


def _described(place: Path, known: os.stat_result) -> Node | None:
    if stat.S_ISLNK(known.st_mode):
        return Node(place, known.st_mode, link=os.readlink(place))  # noqa: PTH115 (a Path would not keep `./x` as it is)
    if stat.S_ISDIR(known.st_mode):
        return Node(place, known.st_mode)
    if stat.S_ISREG(known.st_mode):
        return Node(place, known.st_mode, known.st_size, known.st_mtime_ns)
    return None


def merged(lower: Tree, upper: Tree, removed: AbstractSet[str]) -> Tree:
    """`upper` over `lower`: a removed path, or a file in a folder's place, hides all that lay there."""
    hiding = removed | {
        path for path, node in upper.items() if not node.folder and path in lower and lower[path].folder
    }
    kept = {path: node for path, node in lower.items() if not _within(path, hiding)} if hiding else dict(lower)
    return kept | dict(upper)


def _within(path: str, roots: AbstractSet[str]) -> bool:
    """Whether the path or a folder above it is one of the roots."""
    while path:
        if path in roots:
            return True
        path = path.rpartition("/")[0]
    return False


def copy_out(tree: Tree, root: Path) -> Copied:
    """Make the tree in an empty folder; no file shares anything that could be written with the one it comes from."""
    marks: dict[str, _Marks] = {}
    for path in sorted(tree):
        node, target = tree[path], root / path
        if node.link:
            target.symlink_to(node.link)
        elif node.folder:
            target.mkdir()
            target.chmod(stat.S_IMODE(node.mode) | stat.S_IRWXU)
        else:
            _copy(node, target)
        marks[path] = _marks(target.lstat())
    return Copied(marks, time.time_ns())


def _copy(node: Node, target: Path) -> None:
    with node.place.open("rb") as source, target.open("xb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, source.fileno())
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS):
                raise
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
        os.fchmod(copy.fileno(), stat.S_IMODE(node.mode))
        os.utime(copy.fileno(), ns=(node.mtime, node.mtime))


def _marks(known: os.stat_result) -> _Marks:
    """What no write leaves as it was; of a folder only its mode counts."""
    if stat.S_ISDIR(known.st_mode):
        return (known.st_mode, 0, 0, 0, 0)
    return (known.st_mode, known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns)


def unchanged(path: str, node: Node, before: Tree, copied: Copied) -> bool:
    """Whether what a stage left at a path is what `before` has there."""
    known, marks = before.get(path), copied.marks.get(path)
    if known is None or marks is None or marks != _marks(node.place.lstat()):
        return False
    fresh = not (node.folder or node.link) and marks[4] > copied.time - _TICK_NS
    return not fresh or filecmp.cmp(node.place, known.place, shallow=False)


def missing(before: Tree, after: Tree) -> frozenset[str]:
    """Paths of `before` that are not in `after`; of a folder that is gone, only itself."""
    gone = {path for path in before if path not in after}
    return frozenset(path for path in gone if not _within(path.rpartition("/")[0], gone))
