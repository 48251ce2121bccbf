"""Layers as tar streams that say also what was deleted below: the form in which `save` and `restore` hand them on.

A mark comes first. A character device 0/0 stands for a path that is gone, the overlay's own record on a folder for one
that hides all that lies below it: a Docker engine unpacks such a stream into an overlay's upper folder as it is.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from typing import IO

from pipeline.errors import StorageError
from pipeline.executors.archive import member, readable

OPAQUE_RECORD = "SCHILY.xattr.trusted.overlay.opaque"
_SECOND = 1_000_000_000


def _mark() -> bytes:
    entry = tarfile.TarInfo("ecluse")
    record = b"18 ECLUSE.layer=1\n"
    entry.type, entry.size = tarfile.XGLTYPE, len(record)
    return entry.tobuf(tarfile.USTAR_FORMAT) + record + bytes(-len(record) % tarfile.BLOCKSIZE)


MARK = _mark()
"""What every such stream begins with."""


def unmarked(archive: IO[bytes] | Iterable[bytes], layer: str) -> IO[bytes]:
    """The stream behind the mark. Raises StorageError for one that has none."""
    stream = readable(archive)
    begin = b""
    while len(begin) < len(MARK) and (more := stream.read(len(MARK) - len(begin))):
        begin += more
    if begin != MARK:
        raise StorageError(
            f"what was kept of the layer '{layer}' is no saved layer", hint="drop it: its stage will run again"
        )
    return stream


def broken(layer: str, error: Exception) -> StorageError:
    """For a stream that is damaged behind its mark."""
    return StorageError(
        f"what was kept of the layer '{layer}' is broken: {error}", hint="drop it: its stage will run again"
    )


def whiteout(path: str) -> tarfile.TarInfo:
    """The header that says that a path is gone."""
    return member(path, mode=0, kind=tarfile.CHRTYPE)


def is_whiteout(info: tarfile.TarInfo) -> bool:
    """Whether a header says that a path is gone."""
    return info.type == tarfile.CHRTYPE and not info.devmajor and not info.devminor


def make_opaque(info: tarfile.TarInfo) -> None:
    """Let a folder's header say that it hides what lies below."""
    info.pax_headers = {**info.pax_headers, OPAQUE_RECORD: "y"}


def is_opaque(info: tarfile.TarInfo) -> bool:
    """Whether a folder hides what lies below."""
    return info.isdir() and info.pax_headers.get(OPAQUE_RECORD) == "y"


def set_time(info: tarfile.TarInfo, nanoseconds: int) -> None:
    """The time of a file's last change, to the nanosecond."""
    info.mtime = nanoseconds // _SECOND
    if nanoseconds % _SECOND:
        info.pax_headers = {**info.pax_headers, "mtime": f"{info.mtime}.{nanoseconds % _SECOND:09d}"}


def time_of(info: tarfile.TarInfo) -> int:
    """Nanoseconds of a file's last change."""
    seconds, _, fraction = info.pax_headers.get("mtime", str(int(info.mtime))).partition(".")
    return int(seconds) * _SECOND + int(f"{fraction:0<9}"[:9])
