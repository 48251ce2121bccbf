"""Blobs as files of one folder, named by their digest: `ab/cdef…`."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline.errors import DiskFullError, NotFoundError, StorageError

_CHUNK = 1 << 20
_DIGEST = re.compile(r"sha256:([0-9a-f]{2})([0-9a-f]{62})")
_DRAFTS = "tmp"
_STALE = 24 * 3600.0


class DirectoryStorage:
    """Implements `pipeline.ports.storage.Storage` in a folder, which is made on the first write.

    A blob is written to a draft, flushed to the disk and then renamed, so that a name is never there without its whole
    content, whatever is killed or loses power. Equal content from several writers ends in the same file.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = False

    def put(self, content: IO[bytes] | Iterable[bytes]) -> tuple[str, int]:
        """Store and return (digest, size in bytes)."""
        with self._failures("write"):
            draft = self._draft()
            try:
                digest, size = _write(draft, _chunks(content))
                self._settle(draft, digest)
            finally:
                draft.unlink(missing_ok=True)
            return digest, size

    def adopt(self, path: Path, digest: str) -> None:
        """Take a finished file of the same file system; its digest is believed, but checked on every read."""
        self._path(digest)
        with self._failures("take over"):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.chmod(0o444)
            self._settle(path, digest)

    def open(self, digest: str) -> IO[bytes]:
        """Read a blob; whoever reads it to the end learns whether it is damaged (StorageError)."""
        path = self._path(digest)
        with self._failures("read"):
            try:
                return io.BufferedReader(_Verified(path, digest), _CHUNK)
            except FileNotFoundError:
                raise _unknown(digest) from None

    def head(self, digest: str, size: int) -> bytes:
        """The first bytes as they lie there; without the parts of `open` that cost more than a small blob itself."""
        match = _DIGEST.fullmatch(digest)
        with self._failures("read"):
            try:
                descriptor = os.open(f"{self._root}/{match[1]}/{match[2]}" if match else digest, os.O_RDONLY)
            except FileNotFoundError:
                raise _unknown(digest) from None
            try:
                return os.read(descriptor, size)
            finally:
                os.close(descriptor)

    def has(self, digest: str) -> bool:
        """Whether it is there."""
        return self._path(digest).is_file()

    def size(self, digest: str) -> int:
        """Bytes; NotFoundError when it is not there."""
        path = self._path(digest)
        with self._failures("read"):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                raise _unknown(digest) from None

    def digests(self) -> Iterator[str]:
        """All blobs, in order; one that is stored meanwhile may be missed."""
        with self._failures("list"):
            folders = sorted(self._root.glob("[0-9a-f][0-9a-f]"))
        for folder in folders:
            with self._failures("list"):
                names = sorted(item.name for item in folder.iterdir())
            for name in names:
                digest = f"sha256:{folder.name}{name}"
                if _DIGEST.fullmatch(digest):
                    yield digest

    def delete(self, digest: str) -> None:
        """Drop a blob; whoever has it open may read on."""
        path = self._path(digest)
        with self._failures("delete"):
            path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise StorageError(f"'{digest}' is not a digest", hint="a digest is sha256: and 64 hex digits")
        return self._root / match[1] / match[2]

    def _draft(self) -> Path:
        folder = self._root / _DRAFTS
        folder.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            _sweep(folder)
        return folder / f"{os.getpid()}-{secrets.token_hex(8)}"

    def _settle(self, draft: Path, digest: str) -> None:
        """Give a finished draft its name, which is on the disk when this returns; a damaged blob is mended by it."""
        path = self._path(digest)
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            _flush_folder(self._root)
        draft.replace(path)
        _flush_folder(path.parent)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Wrap what the file system raises."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(
                    f"cannot {what} {error.filename or self._root}: {error.strerror}",
                    hint="free some space (`ecluse gc` removes what runs left behind)",
                ) from error
            raise StorageError(
                f"cannot {what} {error.filename or self._root}: {error.strerror or error}",
                hint=f"check that {self._root} can be read and written",
            ) from error


class _Verified(io.RawIOBase):
    """A file whose digest is compared when its last byte is read; a seek to the middle makes it give up comparing."""

    def __init__(self, path: Path, digest: str) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        self._path = path
        self._digest = digest
        self._hash: hashlib._Hash | None = hashlib.sha256()

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Some archives are read from their end."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read on. Raises StorageError instead of giving the last bytes of a damaged blob."""
        target = memoryview(buffer)  # type: ignore[arg-type]  # the type of a writable buffer is 3.12's
        count = self._file.readinto(target) or 0
        if self._hash is not None:
            self._hash.update(target[:count])
            ended = self._file.tell() >= self._size or (not count and target.nbytes)
            if ended and f"sha256:{self._hash.hexdigest()}" != self._digest:
                raise StorageError(
                    f"blob {self._path} is damaged: its content is not what its name says",
                    hint="the disk altered it: look after the disk, and run again what made it",
                )
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go elsewhere; back at the start the comparison begins anew."""
        place = self._file.seek(offset, whence)
        self._hash = hashlib.sha256() if place == 0 else None
        return place

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()

    def fileno(self) -> int:
        """The file below, for those who ask its size."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _write(draft: Path, chunks: Iterable[bytes]) -> tuple[str, int]:
    """Write and flush; (digest, size)."""
    digest = hashlib.sha256()
    size = 0
    with draft.open("xb") as file:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())
    return f"sha256:{digest.hexdigest()}", size


def _chunks(content: IO[bytes] | Iterable[bytes]) -> Iterable[bytes]:
    read = getattr(content, "read", None)
    return content if read is None else iter(lambda: read(_CHUNK), b"")


def _sweep(folder: Path) -> None:
    """Remove drafts that a killed writer left; one that is a day old has no writer any more."""
    with contextlib.suppress(OSError):
        for draft in folder.iterdir():
            with contextlib.suppress(OSError):
                if draft.stat().st_mtime < time.time() - _STALE:
                    draft.unlink()


def _flush_folder(folder: Path) -> None:
    """Put a folder's names on the disk; file systems that cannot are left alone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unknown(digest: str) -> NotFoundError:
    return NotFoundError(f"blob {digest} is not stored", hint="it may have been removed by `ecluse gc`")
