"""Layers of a copied workspace as tar files on this machine: what a stage added or changed, and what it deleted."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.executors.docker.tar_modes import git_mode

BLOCK = 1 << 18
IN_MEMORY = 8 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerFile:
    """One entry of a layer: its tar header, and where its content stands."""

    path: str
    entry: tarfile.TarInfo
    source: Path
    offset: int
    digest: str

    @property
    def alike(self) -> tuple[bytes, int, str, str]:
        """What must differ for a stage to have changed it; a folder has only its mode."""
        return (self.entry.type, self.entry.mode & 0o7777, self.entry.linkname, self.digest)

    @contextmanager
    def content(self) -> Iterator[IO[bytes]]:
        """The file's bytes, positioned at their start; read at most the entry's size."""
        with self.source.open("rb") as handle:
            handle.seek(self.offset)
            yield handle


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """Entries by path, and paths of lower layers that are no more."""

    files: Mapping[str, LayerFile]
    deleted: frozenset[str] = frozenset()


def merged(layers: Iterable[Layer]) -> dict[str, LayerFile]:
    """The view of layers, nearest first; parents come before their children."""
    seen: dict[str, LayerFile] = {}
    hidden: set[str] = set()
    for layer in layers:
        own = {
            path: file
            for path, file in layer.files.items()
            if path not in seen and path not in hidden and not _covered(path, seen, hidden)
        }
        seen |= own
        hidden |= layer.deleted
    return dict(sorted(seen.items(), key=lambda item: item[0].split("/")))


def _covered(path: str, seen: Mapping[str, LayerFile], hidden: set[str]) -> bool:
    """Whether a nearer layer has deleted a folder above, or put something else in its place."""
    end = path.rfind("/")
    while end > 0:
        above = path[:end]
        if above in hidden or (above in seen and not seen[above].entry.isdir()):
            return True
        end = path.rfind("/", 0, end)
    return False


def read_layer(path: Path) -> Layer:
    """Index a layer's tar file; digests and deletions come from the note beside it."""
    note = json.loads(path.with_suffix(".json").read_text())
    files: dict[str, LayerFile] = {}
    with tarfile.open(path, "r:") as archive:
        for entry in archive:
            name = clean(entry.name)
            if not name:
                continue
            if entry.islnk() and (target := files.get(clean(entry.linkname))):
                files[name] = LayerFile(
                    path=name,
                    entry=target.entry,
                    source=path,
                    offset=target.offset,
                    digest=target.digest,
                )
                continue
            files[name] = LayerFile(
                path=name,
                entry=entry,
                source=path,
                offset=entry.offset_data,
                digest=note["digests"].get(name, ""),
            )
    return Layer(files=files, deleted=frozenset(note["deleted"]))


def note_layer(path: Path, *, deleted: Iterable[str], digests: Mapping[str, str]) -> None:
    """Write the note that makes a layer's tar file complete."""
    path.with_suffix(".json").write_text(json.dumps({"deleted": sorted(deleted), "digests": dict(digests)}))


def digests_of(path: Path) -> dict[str, str]:
    """Digest of each regular file in a tar file."""
    found: dict[str, str] = {}
    with tarfile.open(path, "r:") as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is not None:
                with spooled(content) as (_, digest):
                    found[clean(entry.name)] = digest
    return found


@contextmanager
def spooled(content: IO[bytes]) -> Iterator[tuple[IO[bytes], str]]:
    """A stream that can be read again, with its digest."""
    digest = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
        while chunk := content.read(BLOCK):
            digest.update(chunk)
            spool.write(chunk)
        spool.seek(0)
        yield spool, digest.hexdigest()


def tar_of(files: Mapping[str, LayerFile], *, git_modes: bool) -> Iterator[bytes]:
    """A tar stream of these entries under the names that the mapping gives them."""
    for name, file in files.items():
        entry = tarfile.TarInfo(name)
        old = file.entry
        entry.type, entry.size, entry.linkname, entry.mtime = old.type, old.size, old.linkname, old.mtime
        entry.uid, entry.gid, entry.mode = old.uid, old.gid, old.mode & 0o7777
        if git_modes and (old.isreg() or old.isdir()):
            entry.mode, entry.uid, entry.gid = git_mode(old.type[0], old.mode), 0, 0
        yield entry.tobuf(tarfile.PAX_FORMAT)
        if old.isreg() and old.size:
            yield from blocks_of(file)
    yield bytes(1024)


def blocks_of(file: LayerFile) -> Iterator[bytes]:
    """The content of a file, filled up to whole blocks."""
    left = file.entry.size
    with file.content() as handle:
        while left:
            chunk = handle.read(min(BLOCK, left))
            left -= len(chunk)
            yield chunk
    yield bytes(-file.entry.size % 512)


def clean(name: str) -> str:
    """A tar entry's name as a path relative to the workspace's root; "" for the root itself."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))
