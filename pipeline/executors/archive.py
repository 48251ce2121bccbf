"""Tar streams in and out without temporary files: what the workspaces of `process` and `scripted` share."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO

CHUNK = 1 << 20


class ChunkReader(io.RawIOBase):
    """A readable stream over chunks of bytes, so that `tarfile` can read what an iterator gives."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill as much of the buffer as the current chunk holds; 0 at the end."""
        target = memoryview(buffer)  # type: ignore[arg-type]  # the type of a writable buffer is 3.12's
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def readable(content: IO[bytes] | Iterable[bytes]) -> IO[bytes]:
    """The content as a file object."""
    if hasattr(content, "read"):
        return content  # type: ignore[return-value]  # told apart by its one method
    return io.BufferedReader(ChunkReader(content), CHUNK)


def member(name: str, *, mode: int, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """A tar header without owner and time, so that equal trees give equal streams."""
    info = tarfile.TarInfo(name)
    info.mode, info.size, info.type, info.linkname = mode, size, kind, link
    return info


def git_mode(mode: int) -> int:
    """The mode that git would keep for a file: executable or not."""
    return 0o755 if mode & 0o111 else 0o644


def tar_stream(members: Iterable[tuple[tarfile.TarInfo, IO[bytes] | None]]) -> Iterator[bytes]:
    """The bytes of a PAX archive; each content is read to its header's size and closed."""
    total = 0
    for info, content in members:
        header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        yield header
        total += len(header)
        if content is None:
            continue
        with content:
            left = info.size
            while left:
                chunk = content.read(min(left, CHUNK))
                if not chunk:  # the file shrank while it was read: the header's promise is kept with zeros
                    chunk = bytes(min(left, CHUNK))
                yield chunk
                left -= len(chunk)
        total += info.size
        if padding := -info.size % tarfile.BLOCKSIZE:
            yield bytes(padding)
            total += padding
    yield bytes(2 * tarfile.BLOCKSIZE + -(total + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE)


def inside(name: str) -> str | None:
    """A member's path relative to the root in its plain form, "" for the root itself, None if it leaves the root."""
    if name.startswith("/"):
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)
