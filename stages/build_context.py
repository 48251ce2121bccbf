"""A build context out of the workspace: without what is ignored, with git's own modes and one stable time."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import IO

from pipeline.errors import StorageError

CHUNK = 256 * 1024


def build_context(archive: Iterable[bytes], time: datetime, *, ignores: Callable[[str], bool]) -> Iterator[bytes]:
    """Rewrite a tar stream of the workspace for a builder.

    Files become 0644, or 0755 where one may execute them, everything belongs to root and carries `time`, so that
    equal content gives equal layers whatever stage or machine wrote it. Raises StorageError for a broken stream.
    """
    reader = io.BufferedReader(_Chunks(archive), CHUNK)
    buffer = bytearray()
    try:
        with tarfile.open(fileobj=reader, mode="r|") as members:
            for member in members:
                name = member.name.removeprefix("./").strip("/")
                if name in ("", ".") or ignores(name):
                    continue
                for chunk in _member(members, member, name, time):
                    buffer += chunk
                    if len(buffer) >= CHUNK:
                        yield bytes(buffer)
                        buffer.clear()
    except tarfile.TarError as error:
        raise StorageError(f"the workspace's archive is broken: {error}", hint="run again") from error
    yield bytes(buffer + bytes(2 * tarfile.BLOCKSIZE))


def _member(members: tarfile.TarFile, member: tarfile.TarInfo, name: str, time: datetime) -> Iterator[bytes]:
    content: IO[bytes] | None = None
    info = tarfile.TarInfo(name)
    info.mtime = int(time.timestamp())
    if member.isdir():
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif member.issym():
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, member.linkname
    elif member.islnk():
        info.type, info.mode, info.linkname = tarfile.LNKTYPE, 0o644, member.linkname.removeprefix("./")
    elif member.isreg():
        info.mode, info.size = 0o755 if member.mode & 0o111 else 0o644, member.size
        content = members.extractfile(member)
    else:
        return
    yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    if content is not None:
        while chunk := content.read(CHUNK):
            yield chunk
        yield bytes(-info.size % tarfile.BLOCKSIZE)


class _Chunks(io.RawIOBase):
    """Chunks as a file, for tarfile."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type] # a writable buffer has a name of its own from 3.12 on
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
