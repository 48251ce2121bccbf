"""Saving an overlay's upper folder: also which of its folders hide what lies below, which no tar stream of it tells.

The engine's archives leave the overlay's own marks on folders out: `opaque` (`rm -r d; mkdir d`) and `redirect` (a
folder of a lower layer was renamed). So the upper folder is mounted once over a probe that has the same folders with a
marker in each: a folder that hides shows none, one that was renamed from a known place shows another's. What may have
come from a place that the probe cannot know is taken whole from the merged view.
"""

from __future__ import annotations

import secrets
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pipeline.executors.docker.depot import reading
from pipeline.executors.docker.path_stat import path_mode
from pipeline.executors.docker.tar_blocks import END, extended, pax_record
from pipeline.executors.docker.tar_index import DEVICE, FOLDER, Placed, index
from pipeline.executors.docker.workspace_files import entries
from pipeline.executors.layer_stream import MARK, OPAQUE_RECORD, make_opaque
from pipeline.model.container import WORKSPACE

if TYPE_CHECKING:
    from docker import APIClient

IN_MEMORY = 8 << 20
CHUNK = 1 << 18
FEW = 16
"""So many paths are looked at one by one; where there are more it is taken for granted that a folder was renamed."""
Seeing = Callable[[], str]
"""Gives a container that sees a view at the workspace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Where the parts of a layer come from, each made when it is needed."""

    client: APIClient
    upper: Callable[[IO[bytes]], None]
    """Writes a tar stream of the upper folder into a file."""
    probe: Callable[[bytes], str]
    """Puts these tar blocks into a folder below the upper one; gives a container that sees both at the workspace."""
    below: Seeing | None
    """None where nothing lies below."""
    merged: Seeing


def saved(sources: Sources) -> Iterator[bytes]:
    """The layer as a stream. Raises EngineError and kin."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
        sources.upper(spool)
        placed = index(spool)
        hiding, replaced = _judged(sources, placed)
        yield MARK
        for start, end, head in _stretches(placed, hiding, replaced):
            yield head
            yield from _part(spool, start, end)
        for path in sorted(replaced):
            yield from _merged(sources, path)
        yield END


def _judged(sources: Sources, placed: Sequence[Placed]) -> tuple[set[str], set[str]]:
    """Folders that hide what lies below, and those whose content must come from the merged view; topmost only."""
    folders = [item.name for item in placed if item.kind == FOLDER and item.name]
    if not folders or sources.below is None:
        return set(), set()
    marks = _marks(sources, folders)
    alone: set[str] = set()
    moved: set[str] = set()
    for number, folder in enumerate(folders):
        if folder in marks and marks[folder] != number:
            moved.add(folder)
        elif folder not in marks and not _below_any(folder, alone):
            alone.add(folder)
    if alone and _may_be_renamed(sources, placed, alone, marks):
        moved |= alone
    moved = {folder for folder in moved if not _below_any(folder, moved)}
    return {folder for folder in alone if not _below_any(folder, moved) and folder not in moved}, moved


def _marks(sources: Sources, folders: Sequence[str]) -> dict[str, int]:
    """The number of the marker that shows in each folder, where one shows."""
    name, top = f".ecluse-{secrets.token_hex(6)}", f"/.ecluse-{secrets.token_hex(6)}"
    blocks = b""
    for number, folder in enumerate(folders):
        blocks += _header(folder, tarfile.DIRTYPE, "") + _header(f"{folder}/{name}", tarfile.SYMTYPE, f"{top}/{number}")
    container = sources.probe(blocks + END)
    found: dict[str, int] = {}
    with reading(sources.client, container, f"{WORKSPACE}/.") as chunks:
        for entry, _ in entries(chunks):
            if entry.issym() and entry.name.endswith(f"/{name}"):
                folder = entry.name.removesuffix(f"/{name}").removeprefix("./")
                found[folder] = int(entry.linkname.rpartition("/")[2])
    return found


def _header(path: str, kind: bytes, link: str) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.linkname = kind, 0o755, link
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _may_be_renamed(sources: Sources, placed: Sequence[Placed], alone: set[str], marks: dict[str, int]) -> bool:
    """Whether something of the lower layers is gone from its place: only then can a folder have come from there."""
    if any(item.kind == DEVICE for item in placed):
        return True
    suspects = [
        item.name
        for item in placed
        if item.name and (item.kind != FOLDER or item.name in alone) and _parent(item.name) in {"", *marks}
    ]
    if len(suspects) > FEW:
        return True
    if sources.below is None:
        return False
    container = sources.below()
    modes = (path_mode(sources.client, container, f"{WORKSPACE}/{path}") for path in suspects)
    return any(mode is not None and stat.S_ISDIR(mode) for mode in modes)


def _stretches(placed: Sequence[Placed], hiding: set[str], replaced: set[str]) -> Iterator[tuple[int, int, bytes]]:
    """Which parts of the file follow each other, and what comes before each: the header of a folder that hides."""
    start = end = 0
    head = b""
    for item in placed:
        if replaced and _within(item.name, replaced):
            item_start, new = item.end, b""
        elif item.name in hiding:
            item_start, new = item.header, extended(item.extended + pax_record(OPAQUE_RECORD.encode(), b"y"))
        else:
            item_start, new = item.start, b""
        if item_start != end or new:
            if end > start or head:
                yield start, end, head
            start, head = item_start, new
        end = item.end
    if end > start or head:
        yield start, end, head


def _part(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end:
        chunk = file.read(min(CHUNK, end - start))
        start += len(chunk)
        yield chunk


def _merged(sources: Sources, path: str) -> Iterator[bytes]:
    """A folder of the merged view as one that hides all below it."""
    above = _parent(path)
    start = f"{above}/" if above else ""
    with reading(sources.client, sources.merged(), f"{WORKSPACE}/{path}") as chunks:
        for entry, archive in entries(chunks):
            entry.name = start + entry.name.rstrip("/")
            if entry.islnk():
                entry.linkname = start + entry.linkname
            entry.pax_headers = {key: value for key, value in entry.pax_headers.items() if key.startswith("SCHILY.")}
            if entry.name == path:
                make_opaque(entry)
            yield entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            content = archive.extractfile(entry) if entry.isreg() else None
            while content is not None and (chunk := content.read(CHUNK)):
                yield chunk
            if entry.isreg():
                yield bytes(-entry.size % tarfile.BLOCKSIZE)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _within(path: str, folders: set[str]) -> bool:
    return path in folders or _below_any(path, folders)


def _below_any(path: str, folders: set[str]) -> bool:
    while path := _parent(path):
        if path in folders:
            return True
    return False
