"""A workspace in memory: layers are mappings from path to entry, merged like overlay layers."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from pipeline.errors import NotFoundError, StorageError
from pipeline.executors.archive import git_mode, inside, member, readable, tar_stream
from pipeline.executors.layer_stream import MARK, broken, is_opaque, is_whiteout, make_opaque, unmarked, whiteout
from pipeline.executors.links import followed
from pipeline.model.container import View
from pipeline.model.globs import matcher
from pipeline.ports.workspace import WorkspaceFile


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a folder or a symlink (`link` is its target)."""

    mode: int
    content: bytes = b""
    folder: bool = False
    link: str = ""


@dataclass(slots=True)
class _Layer:
    """What one layer adds, and which paths of lower layers it hides."""

    entries: dict[str, Entry] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)

    def set(self, path: str, entry: Entry) -> None:
        if not entry.folder:
            _drop(self.entries, path)
        self.entries[path] = entry

    def remove(self, path: str) -> None:
        _drop(self.entries, path)
        self.hidden.add(path)


def _drop(entries: dict[str, Entry], path: str) -> None:
    """Forget a path and everything below it."""
    for known in [item for item in entries if item == path or item.startswith(path + "/")]:
        del entries[known]


class MemoryWorkspace:
    """Layers of one run as dictionaries; implements `pipeline.ports.workspace.Workspace`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._layers: dict[str, _Layer] = {}

    def fill(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack a tar stream into a layer. Raises StorageError for a broken archive or one that leaves the root."""
        filled = _Layer()
        try:
            with tarfile.open(fileobj=readable(archive), mode="r|*") as members:
                for info in members:
                    path = inside(info.name)
                    if path is None:
                        raise StorageError(f"archive of layer '{layer}' holds '{info.name}', outside the workspace")
                    if path:
                        filled.set(path, entry_of(members, info))
        except tarfile.TarError as error:
            raise StorageError(f"archive of layer '{layer}' is broken: {error}") from error
        with self._lock:
            self._layers[layer] = filled

    def write(self, layer: str, files: Mapping[str, bytes | None]) -> None:
        """Write files into a layer as a container would; None removes a file or folder."""
        with self._lock:
            written = self._layers.setdefault(layer, _Layer())
            for path, content in files.items():
                if content is None:
                    written.remove(path)
                else:
                    written.set(path, Entry(0o644, content))

    def put(self, layer: str, path: str, entry: Entry) -> None:
        """Put one entry into a layer."""
        with self._lock:
            self._layers.setdefault(layer, _Layer()).set(path, entry)

    def has(self, layer: str) -> bool:
        """Whether anything has been written into a layer."""
        with self._lock:
            return layer in self._layers

    def files(self, view: View) -> Mapping[str, bytes]:
        """The merged view's files and their content, in path order."""
        return {path: item.content for path, item in self.merged(view).items() if not (item.folder or item.link)}

    def layer(self, name: str) -> Mapping[str, bytes | None]:
        """Exactly what a layer holds: files with content, removed paths with None."""
        with self._lock:
            layer = self._layers.get(name, _Layer())
            gone: dict[str, bytes | None] = dict.fromkeys(layer.hidden)
            return gone | {path: item.content for path, item in layer.entries.items() if not item.folder}

    def save(self, layer: str, below: Sequence[str]) -> Iterator[bytes]:
        """What the layer holds, and what it hides."""
        with self._lock:
            saved = self._layers.get(layer, _Layer())
            entries, hidden = dict(saved.entries), set(saved.hidden)
        yield MARK
        yield from tar_stream(
            (_saved(path, entries.get(path), hides=path in hidden), _content(entries.get(path)))
            for path in sorted({*entries, *hidden})
        )

    def restore(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """The layer again."""
        restored = _Layer()
        try:
            with tarfile.open(fileobj=unmarked(archive, layer), mode="r|") as members:
                for info in members:
                    path = inside(info.name)
                    if not path:
                        raise broken(layer, ValueError(f"it holds '{info.name}'"))
                    if is_whiteout(info) or is_opaque(info):
                        restored.remove(path)
                    if not is_whiteout(info):
                        restored.set(path, entry_of(members, info))
        except tarfile.TarError as error:
            raise broken(layer, error) from error
        with self._lock:
            self._layers[layer] = restored

    def read(self, view: View, patterns: Sequence[str]) -> Iterator[WorkspaceFile]:
        """Files of the merged view that match, in path order; symlinks are read where they lead to a file inside."""
        matches = matcher(patterns)
        merged = self.merged(view)
        for path in merged:
            entry = followed(merged, path) if matches(path) else None
            if entry is not None and not entry.folder:
                content = io.BytesIO(entry.content)
                yield WorkspaceFile(path=path, mode=git_mode(entry.mode), size=len(entry.content), content=content)

    def archive(self, view: View, path: str) -> Iterator[bytes]:
        """A tar stream of a folder. Raises NotFoundError when there is no such folder."""
        merged = self.merged(view)
        root = inside(path)
        prefix = f"{root}/" if root else ""
        known = root == "" or (root is not None and root in merged and merged[root].folder)
        if not known:
            raise NotFoundError(f"there is no folder '{path}' in the workspace")
        return tar_stream(
            (_header(item[len(prefix) :], entry), None if entry.folder or entry.link else io.BytesIO(entry.content))
            for item, entry in merged.items()
            if item.startswith(prefix)
        )

    def merged(self, view: View) -> dict[str, Entry]:
        """The view as overlay would show it: nearest layer wins, removed paths hide what lies below."""
        merged: dict[str, Entry] = {}
        with self._lock:
            for name in (*reversed(view.below), view.layer):
                layer = self._layers.get(name, _Layer())
                for path in layer.hidden:
                    _drop(merged, path)
                for path, entry in layer.entries.items():
                    _put(merged, path, entry)
        return dict(sorted(merged.items()))


def _put(merged: dict[str, Entry], path: str, entry: Entry) -> None:
    """Place an entry; its folders come into being, and what stood in the way gives way."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        folder = "/".join(parts[:count])
        if folder not in merged or not merged[folder].folder:
            merged[folder] = Entry(0o755, folder=True)
    if not entry.folder:
        _drop(merged, path)
    merged[path] = entry


def entry_of(members: tarfile.TarFile, info: tarfile.TarInfo) -> Entry:
    """What a member of an archive is. Raises StorageError for what a workspace does not hold."""
    if info.isdir():
        return Entry(info.mode, folder=True)
    if info.issym():
        return Entry(0o777, link=info.linkname)
    content = members.extractfile(info) if info.isreg() else None
    if content is None:
        raise StorageError(f"'{info.name}' is neither a file, a folder nor a symlink")
    return Entry(info.mode, content.read())


def _header(name: str, entry: Entry) -> tarfile.TarInfo:
    if entry.folder:
        return member(name, mode=0o755, kind=tarfile.DIRTYPE)
    if entry.link:
        return member(name, mode=0o777, kind=tarfile.SYMTYPE, link=entry.link)
    return member(name, mode=git_mode(entry.mode), size=len(entry.content))


def _saved(path: str, entry: Entry | None, *, hides: bool) -> tarfile.TarInfo:
    if entry is None:
        return whiteout(path)
    header = header_of(path, entry)
    if hides and entry.folder:
        make_opaque(header)
    return header


def _content(entry: Entry | None) -> IO[bytes] | None:
    return None if entry is None or entry.folder or entry.link else io.BytesIO(entry.content)


def header_of(name: str, entry: Entry) -> tarfile.TarInfo:
    """A tar header with the entry's own mode."""
    header = _header(name, entry)
    header.mode = entry.mode & 0o7777
    return header
