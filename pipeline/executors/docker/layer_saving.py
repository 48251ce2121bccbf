"""Layers of a copied workspace to and from the streams in which layers are kept."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

from pipeline.executors.archive import inside
from pipeline.executors.docker.layer_files import Layer, LayerFile, blocks_of, spooled
from pipeline.executors.docker.tar_blocks import END
from pipeline.executors.layer_stream import broken, is_opaque, is_whiteout, make_opaque, whiteout


def saved_blocks(layer: Layer, below: Mapping[str, LayerFile]) -> Iterator[bytes]:
    """Tar blocks of a layer in path order. Folders above what was deleted come as they are `below`."""
    gone = {path for path in layer.deleted if path not in layer.files}
    above = {folder for path in gone for folder in _above(path) if folder not in layer.files and folder in below}
    over = ""
    for path in sorted({*layer.files, *gone, *(folder for folder in above if folder not in gone)}, key=_parts):
        if over and path.startswith(over):
            continue  # it went with the folder that held it
        if path in gone:
            over = f"{path}/"
            yield whiteout(path).tobuf(tarfile.PAX_FORMAT)
            continue
        file = layer.files.get(path) or below[path]
        if not file.entry.isdir():
            over = f"{path}/"
        yield _header(path, file, hides=path in layer.deleted)
        if file.entry.isreg() and file.entry.size:
            yield from blocks_of(file)
    yield END


def restore_layer(content: IO[bytes], path: Path, layer: str) -> tuple[set[str], dict[str, str]]:
    """Write a layer's tar file; returns what it deletes, and the digests of its files."""
    deleted: set[str] = set()
    digests: dict[str, str] = {}
    try:
        with (
            tarfile.open(fileobj=content, mode="r|") as members,
            tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as target,
        ):
            for info in members:
                vars(members)["members"].clear()  # it would remember every entry
                name = inside(info.name)
                if name is None:
                    raise broken(layer, ValueError(f"it holds '{info.name}'"))
                if name and (is_whiteout(info) or is_opaque(info)):
                    deleted.add(name)
                if not name or is_whiteout(info):
                    continue
                info.name, info.pax_headers = name, {}
                source = members.extractfile(info) if info.isreg() else None
                with spooled(source or BytesIO()) as (spool, digest):
                    target.addfile(info, spool if info.isreg() else None)
                if info.isreg():
                    digests[name] = digest
    except tarfile.TarError as error:
        raise broken(layer, error) from error
    return deleted, digests


def _header(path: str, file: LayerFile, *, hides: bool) -> bytes:
    old = file.entry
    entry = tarfile.TarInfo(path)
    entry.type, entry.size, entry.linkname, entry.mtime = old.type, old.size, old.linkname, old.mtime
    entry.uid, entry.gid, entry.mode = old.uid, old.gid, old.mode & 0o7777
    if hides and old.isdir():
        make_opaque(entry)
    return entry.tobuf(tarfile.PAX_FORMAT)


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _parts(path: str) -> list[str]:
    return path.split("/")
