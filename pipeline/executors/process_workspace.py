"""Workspaces without an engine: layers are folders, and each stage gets a copy of what it sees."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tarfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from pipeline.errors import DiskFullError, EngineError, NotFoundError, StorageError
from pipeline.executors.archive import CHUNK, git_mode, inside, member, readable, tar_stream
from pipeline.executors.layer_stream import MARK, broken, is_opaque, is_whiteout, unmarked
from pipeline.executors.links import followed
from pipeline.executors.process_saving import saved_members
from pipeline.executors.process_tree import Copied, Node, Tree, copy_out, merged, missing, scan, unchanged
from pipeline.executors.process_unpacking import Unpacking
from pipeline.model.container import View
from pipeline.model.globs import matcher
from pipeline.ports.workspace import WorkspaceFile


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Wrap what the file system raises."""
    try:
        yield
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"cannot {what}{place}: {error.strerror}",
                hint="free some space (`ecluse gc` removes what runs left behind)",
            ) from error
        raise EngineError(
            f"cannot {what}{place}: {error.strerror}", hint="check the folder under ECLUSE_HOME"
        ) from error


class DirectoryWorkspace:
    """Implements `pipeline.ports.workspace.Workspace` in a folder of this machine.

    A layer is a folder with what was added or changed, beside a list of the paths that were removed. It is written
    once, as a whole, and never handed to a stage itself: a stage works in a copy (sharing blocks where the file system
    can), and what it changed becomes its layer.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Tree, frozenset[str]]] = {}

    def fill(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack a tar stream. Raises StorageError for a broken archive or one that leaves the workspace."""
        with failures("write the workspace"):
            draft = self._draft()
            try:
                unpacking = Unpacking(draft)
                with tarfile.open(fileobj=readable(archive), mode="r|*", bufsize=CHUNK) as members:
                    for info in members:
                        vars(members)["members"].clear()  # it would remember every entry
                        unpacking.put(members, info)
            except tarfile.TarError as error:
                raise StorageError(f"archive of layer '{layer}' is broken: {error}") from error
            self._settle(layer, draft, frozenset())

    def save(self, layer: str, below: Sequence[str]) -> Iterator[bytes]:
        """What the layer's folder holds, and the list of what was removed."""
        own, removed = self._layer(layer)
        yield MARK
        with failures("save a layer"):
            yield from tar_stream(saved_members(own, removed))

    def restore(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """A folder again, and the list."""
        removed: set[str] = set()
        with failures("restore a layer"):
            draft = self._draft()
            unpacking = Unpacking(draft, exact=True)
            try:
                with tarfile.open(fileobj=unmarked(archive, layer), mode="r|", bufsize=CHUNK) as members:
                    for info in members:
                        vars(members)["members"].clear()  # it would remember every entry
                        if is_whiteout(info) or is_opaque(info):
                            removed.add(inside(info.name) or "")
                        if not is_whiteout(info):
                            unpacking.put(members, info)
            except tarfile.TarError as error:
                raise broken(layer, error) from error
            self._settle(layer, draft, frozenset(removed - {""}))

    def read(self, view: View, patterns: Sequence[str]) -> Iterator[WorkspaceFile]:
        """Files of the merged view in path order; a symlink is read where it leads to a file inside."""
        matches = matcher(patterns)
        tree = self._tree((view.layer, *view.below))
        for path in sorted(filter(matches, tree)):
            node = followed(tree, path)
            if node is None or node.folder:
                continue
            with failures("read the workspace"), node.place.open("rb") as content:
                yield WorkspaceFile(path=path, mode=git_mode(node.mode), size=node.size, content=content)

    def archive(self, view: View, path: str) -> Iterator[bytes]:
        """A tar stream of a folder, with the modes that git knows. Raises NotFoundError when there is none."""
        tree = self._tree((view.layer, *view.below))
        root = inside(path)
        if root is None or (root and not (root in tree and tree[root].folder)):
            raise NotFoundError(f"there is no folder '{path}' in the workspace")
        start = f"{root}/" if root else ""
        return tar_stream(
            (_header(item[len(start) :], tree[item]), _content(tree[item]))
            for item in sorted(tree)
            if item.startswith(start)
        )

    def copy_out(self, view: View, folder: Path) -> Copied:
        """Make the merged view in an empty folder."""
        with failures("copy the workspace"):
            return copy_out(self._tree((view.layer, *view.below)), folder)

    def take_in(self, view: View, folder: Path, copied: Copied) -> None:
        """Make what a stage changed in its copy the content of its layer; the copy is emptied of it."""
        with failures("keep the workspace"):
            below, full = self._tree(view.below), self._tree((view.layer, *view.below))
            after = scan(folder)
            draft = self._draft()
            for node in after.values():
                if node.folder and node.mode & stat.S_IRWXU != stat.S_IRWXU:
                    node.place.chmod(stat.S_IMODE(node.mode) | stat.S_IRWXU)  # files are moved out of it
            for path in sorted(after):
                node, target = after[path], draft / path
                # what came from this layer before is in no other place: it stays, changed or not
                foreign = path in below and below[path] is full.get(path)
                if foreign and unchanged(path, node, below, copied):
                    continue
                _folders(draft, folder, path)
                if node.folder:
                    target.mkdir(exist_ok=True)
                    target.chmod(stat.S_IMODE(node.mode) | stat.S_IRWXU)
                else:
                    node.place.rename(target)
            self._settle(view.layer, draft, missing(below, after))

    def _tree(self, names: Sequence[str]) -> Tree:
        """The merged tree of these layers, nearest first; a layer that was never written is empty."""
        tree: Tree = {}
        for name in reversed(names):
            own, removed = self._layer(name)
            tree = merged(tree, own, removed)
        return tree

    def _layer(self, name: str) -> tuple[Tree, frozenset[str]]:
        with self._lock:
            if name not in self._known:
                self._known[name] = self._read_layer(name)
            return self._known[name]

    def has(self, layer: str) -> bool:
        """Whether a layer has been written, also by another process."""
        return self._folder(layer).is_dir()

    def _read_layer(self, name: str) -> tuple[Tree, frozenset[str]]:
        """From the disk: a run may have been begun by another process."""
        folder = self._folder(name)
        if not folder.is_dir():
            return {}, frozenset()
        gone = (folder / "removed").read_bytes().split(b"\0")
        return scan(folder / "files"), frozenset(os.fsdecode(item) for item in gone if item)

    def _folder(self, name: str) -> Path:
        return self._root / "layers" / f"{quote(name, safe='')}.layer"

    def _draft(self) -> Path:
        draft = self._root / "drafts" / secrets.token_hex(8) / "files"
        draft.mkdir(parents=True)
        return draft

    def _settle(self, name: str, draft: Path, removed: frozenset[str]) -> None:
        """Give a finished draft its name; an earlier content of the layer goes."""
        (draft.parent / "removed").write_bytes(b"\0".join(os.fsencode(path) for path in sorted(removed)))
        folder = self._folder(name)
        folder.parent.mkdir(exist_ok=True)
        with self._lock:
            self._known.pop(name, None)
            if folder.exists():
                old = draft.parent.with_name(f"{draft.parent.name}.old")
                folder.rename(old)
                shutil.rmtree(old)
            draft.parent.rename(folder)


def _folders(draft: Path, folder: Path, path: str) -> None:
    """Make the folders above a path as they are in the stage's copy."""
    missing_ones: list[str] = []
    above = path.rpartition("/")[0]
    while above and not (draft / above).is_dir():
        missing_ones.append(above)
        above = above.rpartition("/")[0]
    for item in reversed(missing_ones):
        (draft / item).mkdir()
        (draft / item).chmod(stat.S_IMODE((folder / item).stat().st_mode) | stat.S_IRWXU)


def _header(name: str, node: Node) -> tarfile.TarInfo:
    if node.link:
        return member(name, mode=0o777, kind=tarfile.SYMTYPE, link=node.link)
    if node.folder:
        return member(name, mode=0o755, kind=tarfile.DIRTYPE)
    return member(name, mode=git_mode(node.mode), size=node.size)


def _content(node: Node) -> IO[bytes] | None:
    return None if node.folder or node.link else node.place.open("rb")
