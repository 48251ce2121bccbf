"""A tar stream of source files with git's own modes, safe names and a stable time, made while it is sent."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.errors import SourceError

CHUNK = 256 * 1024
"""Bytes that are handed on at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file or symbolic link: `name` is its path in the workspace, `place` where it lies now."""

    name: str
    place: Path


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def archive(entries: Iterable[Entry], time: datetime) -> Iterator[bytes]:
    """Regular files (0644, or 0755 where the owner may execute), links as links, each folder before what is in it.

    Everything belongs to root and carries `time`. A file that vanished meanwhile is left out; one that shrinks while
    it is read raises SourceError, as does a name that would leave the workspace.
    """
    buffer = bytearray()
    folders: set[str] = set()
    for entry in sorted(entries, key=lambda entry: entry.name.split("/")):
        _check(entry.name)
        for folder in _parents(entry.name):
            if folder not in folders:
                folders.add(folder)
                buffer += _header(folder + "/", tarfile.DIRTYPE, 0o755, time)
        for chunk in _content(entry, time):
            buffer += chunk
            if len(buffer) >= CHUNK:
                yield bytes(buffer)
                buffer.clear()
    buffer += bytes(2 * tarfile.BLOCKSIZE)
    yield bytes(buffer)


def _content(entry: Entry, time: datetime) -> Iterator[bytes]:
    try:
        if entry.place.is_symlink():
            yield _header(entry.name, tarfile.SYMTYPE, 0o777, time, link=str(entry.place.readlink()))
            return
        descriptor = os.open(entry.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SourceError(
            f"cannot read {entry.name}: {error.strerror}", hint="make it readable, or have git ignore it"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        mode = 0o755 if facts.st_mode & 0o100 else 0o644
        yield _header(entry.name, tarfile.REGTYPE, mode, time, size=facts.st_size)
        left = facts.st_size
        while left:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                raise SourceError(f"{entry.name} shrank while it was read", hint="run again once nothing writes to it")
            left -= len(chunk)
            yield chunk
        yield bytes(-facts.st_size % tarfile.BLOCKSIZE)


def _header(name: str, kind: bytes, mode: int, time: datetime, *, size: int = 0, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, size, link
    info.mtime = int(time.timestamp())
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _parents(name: str) -> Iterator[str]:
    end = name.find("/")
    while end != -1:
        yield name[:end]
        end = name.find("/", end + 1)


def _check(name: str) -> None:
    if name.startswith("/") or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise SourceError(
            f"the repository names a file outside of itself: {name!r}", hint="do not trust this repository"
        )
