"""Workspaces for engines that cannot mount overlays: layers are kept as tar files here and copied in and out."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import NotFoundError, StorageError
from pipeline.executors.docker.depot import create_anchored, reading, volume_mount
from pipeline.executors.docker.layer_files import (
    Layer,
    LayerFile,
    clean,
    digests_of,
    merged,
    note_layer,
    read_layer,
    spooled,
    tar_of,
)
from pipeline.executors.docker.layer_saving import restore_layer, saved_blocks
from pipeline.executors.docker.tar_blocks import folder_header
from pipeline.executors.docker.tar_modes import change_modes, git_mode, shared_mode
from pipeline.executors.docker.workspace_files import MOST_LINKS, entries, target_of
from pipeline.executors.layer_stream import MARK, unmarked
from pipeline.model.container import WORKSPACE, View
from pipeline.model.globs import matcher
from pipeline.model.identity import ROLE_WORKSPACE, RunIdentity
from pipeline.ports.workspace import WorkspaceFile

if TYPE_CHECKING:
    from docker import APIClient


def layer_path(folder: Path, layer: str) -> Path:
    """Where the tar file of a layer lies."""
    return folder / (hashlib.sha256(layer.encode()).hexdigest()[:24] + ".tar")


class CopyWorkspace:
    """The whole view is copied into a stage's volume before it starts; what differs afterwards is its layer."""

    name = "copy"

    def __init__(self, client: APIClient, run: RunIdentity, folder: Path) -> None:
        self._client = client
        self._run = run
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, Layer] = {}
        self._entered: set[View] = set()

    def mount(self, view: View) -> Mapping[str, Any]:
        """A plain volume of the stage."""
        name = self._run.name("view", hashlib.sha256("\n".join((view.layer, *view.below)).encode()).hexdigest()[:12])
        with translating("create a workspace volume"):
            self._client.create_volume(name, labels=dict(self._run.labels(ROLE_WORKSPACE)))
        return volume_mount(name, WORKSPACE)

    def early(self, view: View) -> bool:
        """Always: the copying happens when the container starts."""
        return True

    def enter(self, view: View, container: str) -> None:
        """Copy the view in, unless an earlier container of the same stage has its volume filled."""
        if view in self._entered:
            return
        inside = WORKSPACE.lstrip("/")
        files = {f"{inside}/{path}": file for path, file in self._merged((view.layer, *view.below)).items()}
        content = itertools.chain((folder_header(inside, inherited=True),), tar_of(files, git_modes=False))
        labels = dict(self._run.labels(ROLE_WORKSPACE))
        host = {"NetworkMode": "none", "Mounts": [dict(self.mount(view))]}
        sdk: Any = self._client
        with translating("copy the workspace into a volume"):
            # not into the stage's own container, whose root may be read-only
            filler = create_anchored(
                self._client, self._run.name("fill", container[:12]), {"Labels": labels, "HostConfig": host}
            )
            answer = sdk._put(
                sdk._url("/containers/{0}/archive", filler), params={"path": "/"}, data=content, timeout=None
            )
            sdk._raise_for_status(answer)
            self._client.remove_container(filler, force=True)
        self._entered.add(view)

    def leave(self, view: View, container: str) -> None:
        """Copy out what is new or different, and note what is gone."""
        before = self._merged(view.below)
        path, draft = self._path(view.layer), self._path(view.layer).with_suffix(".draft")
        gone, digests = set(before), dict[str, str]()
        with _storing(draft), tarfile.open(draft, "w:", format=tarfile.PAX_FORMAT) as layer:
            with reading(self._client, container, f"{WORKSPACE}/.") as chunks:
                for entry, archive in entries(chunks):
                    name = clean(entry.name)
                    if not name or entry.isdev():
                        continue
                    gone.discard(name)
                    if entry.islnk():
                        self._leave_link(container, name, before, layer, digests)
                        continue
                    source = archive.extractfile(entry) if entry.isreg() else None
                    with spooled(source or BytesIO()) as (content, digest):
                        kept = digest if entry.isreg() else ""
                        _add(layer, name, entry, content, before, digests, kept)
            draft.replace(path)
            note_layer(path, deleted=gone, digests=digests)
        with self._lock:
            self._known.pop(view.layer, None)

    def fill(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Keep the stream as the layer's tar file."""
        path = self._path(layer)
        with _storing(path):
            with path.open("wb") as handle:
                for chunk in change_modes(archive, shared_mode):
                    handle.write(chunk)
            note_layer(path, deleted=(), digests=digests_of(path))
        with self._lock:
            self._known.pop(layer, None)

    def save(self, layer: str, below: Sequence[str]) -> Iterator[bytes]:
        """What the layer's tar file holds, and the note beside it."""
        yield MARK
        yield from saved_blocks(self._layer(layer), self._merged(below))

    def restore(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """A tar file and its note again."""
        path = self._path(layer)
        draft, content = path.with_suffix(".draft"), unmarked(archive, layer)
        with _storing(draft):
            deleted, digests = restore_layer(content, draft, layer)
            draft.replace(path)
            note_layer(path, deleted=deleted, digests=digests)
        with self._lock:
            self._known.pop(layer, None)

    def read(self, view: View, patterns: Sequence[str]) -> Iterator[WorkspaceFile]:
        """Files of the merged view, from this machine."""
        matches, files = matcher(patterns), self._merged((view.layer, *view.below))
        for path in files:
            found = _followed(path, files) if matches(path) else None
            if found is not None:
                with found.content() as handle:
                    content: Any = _Part(handle, found.entry.size)
                    mode = git_mode(ord("0"), found.entry.mode)
                    yield WorkspaceFile(path=path, mode=mode, size=found.entry.size, content=content)

    def archive(self, view: View, path: str) -> Iterator[bytes]:
        """A folder of the merged view, with git's modes."""
        files, inside = self._merged((view.layer, *view.below)), clean(path)
        start = f"{inside}/" if inside else ""
        found = {name[len(start) :]: file for name, file in files.items() if name.startswith(start)}
        folder = files.get(inside)
        if ".." in inside.split("/") or (inside and not found and not (folder and folder.entry.isdir())):
            raise NotFoundError(
                f"the workspace has no folder '{path}'", hint="name a folder that the checkout or a stage has made"
            )
        return tar_of(found, git_modes=True)

    def close(self) -> None:
        """Drop the layers."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _leave_link(
        self,
        container: str,
        name: str,
        before: Mapping[str, LayerFile],
        layer: tarfile.TarFile,
        digests: dict[str, str],
    ) -> None:
        """A further name of a file: asked for alone, it comes with its content."""
        with reading(self._client, container, f"{WORKSPACE}/{name}") as chunks:
            for entry, archive in entries(chunks):
                source = archive.extractfile(entry)
                if source is not None:
                    with spooled(source) as (content, digest):
                        _add(layer, name, entry, content, before, digests, digest)

    def _merged(self, layers: Sequence[str]) -> dict[str, LayerFile]:
        return merged(self._layer(name) for name in layers)

    def _layer(self, name: str) -> Layer:
        with self._lock:
            found = self._known.get(name)
            if found is None:
                path = self._path(name)
                complete = path.with_suffix(".json").exists()
                with _storing(path):
                    found = read_layer(path) if complete else Layer(files={})
                if complete:
                    self._known[name] = found
            return found

    def _path(self, layer: str) -> Path:
        return layer_path(self._folder, layer)


def _followed(path: str, files: Mapping[str, LayerFile]) -> LayerFile | None:
    """The regular file at a path, also where a symlink leads to one within the workspace."""
    place: str | None = path
    for _ in range(MOST_LINKS):
        file = files.get(place) if place else None
        if file is None or place is None:
            return None
        if not file.entry.issym():
            return file if file.entry.isreg() else None
        place = target_of(place, file.entry.linkname)
    return None


class _Part:
    """The first bytes of an open file, as a file."""

    def __init__(self, handle: IO[bytes], size: int) -> None:
        self._handle = handle
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; all that is left when negative."""
        chunk = self._handle.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(chunk)
        return chunk


def _add(
    layer: tarfile.TarFile,
    name: str,
    entry: tarfile.TarInfo,
    content: IO[bytes],
    before: Mapping[str, LayerFile],
    digests: dict[str, str],
    digest: str,
) -> None:
    """Write an entry into the layer when it is new or differs."""
    entry.name, entry.mode = name, entry.mode & 0o7777
    old = before.get(name)
    if old is not None and old.alike == (entry.type, entry.mode, entry.linkname, digest):
        return
    entry.pax_headers = {}
    layer.addfile(entry, content if entry.isreg() else None)
    if digest:
        digests[name] = digest


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, tarfile.TarError, ValueError) as error:
        raise StorageError(
            f"cannot keep a workspace layer in {path.parent}: {error}", hint="is the disk full?"
        ) from error
