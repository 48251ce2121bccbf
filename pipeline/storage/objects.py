"""Named pieces of bytes in a folder or a bucket: what the reuse stores of one and of several machines stand on."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from pipeline.errors import DiskFullError, StorageError
from pipeline.ports.storage import Kept

_CHUNK = 1 << 20
_STALE = 24 * 3600.0


class Objects(Protocol):
    """Names are relative paths of plain characters. A piece is seen only whole. Safe for threads, processes and, where
    it lies on a network, machines. Errors that may leave: StorageError, DiskFullError."""

    def get(self, name: str) -> bytes | None:
        """The whole piece, or None."""

    def fetch(self, name: str) -> Iterator[bytes] | None:
        """A large piece in chunks, or None."""

    def has(self, name: str) -> bool:
        """Whether it is there."""

    def put(self, name: str, content: bytes, *, replace: bool) -> None:
        """Keep a piece; one that is there already stays, unless it is to be replaced."""

    def send(self, name: str, content: IO[bytes], size: int) -> None:
        """Keep a large piece."""

    def touch(self, name: str) -> None:
        """Note that it was used; may do nothing."""

    def delete(self, name: str) -> None:
        """Drop it; nothing happens when it is not there."""

    def names(self, prefix: str) -> Iterator[Kept]:
        """Pieces below a folder (`entries/`, `caches/branch/1f/`)."""


class FolderObjects:
    """Implements `Objects` in a folder of this machine or of a network file system; made on the first write."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, name: str) -> bytes | None:
        """The whole piece, or None."""
        with self._failures("read"):
            try:
                with open(f"{self._root}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - asked for every stage
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def fetch(self, name: str) -> Iterator[bytes] | None:
        """A large piece in chunks, or None."""
        with self._failures("read"):
            try:
                file = (self._root / name).open("rb")
            except (FileNotFoundError, NotADirectoryError):
                return None
            return self._chunks(file)

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return (self._root / name).is_file()

    def put(self, name: str, content: bytes, *, replace: bool) -> None:
        """Written to a draft and then named. Without a flush to the disk: after a power cut an entry may be gone, or
        cut off, which its digest shows."""
        path = self._root / name
        if not replace and path.exists():
            return
        self._write(path, iter((content,)))

    def send(self, name: str, content: IO[bytes], size: int) -> None:
        """Keep a large piece."""
        self._write(self._root / name, iter(lambda: content.read(_CHUNK), b""))

    def touch(self, name: str) -> None:
        """By the file's time."""
        with suppress(OSError):
            os.utime(self._root / name)

    def delete(self, name: str) -> None:
        """Drop it."""
        with self._failures("delete"):
            (self._root / name).unlink(missing_ok=True)

    def names(self, prefix: str) -> Iterator[Kept]:
        """Pieces below a folder; one that comes or goes meanwhile may be missed."""
        for folder, _, files in os.walk(self._root / prefix):
            for file in files:
                if file.startswith("."):
                    self._sweep(Path(folder, file))
                    continue
                with suppress(FileNotFoundError):
                    path = Path(folder, file)
                    yield Kept(name=str(path.relative_to(self._root)), used=path.stat().st_mtime)

    def _write(self, path: Path, chunks: Iterable[bytes]) -> None:
        with self._failures("write"):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.parent / f".{os.getpid()}-{secrets.token_hex(6)}"
            try:
                with draft.open("xb") as file:
                    for chunk in chunks:
                        file.write(chunk)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)

    def _chunks(self, file: IO[bytes]) -> Iterator[bytes]:
        with file, self._failures("read"):
            while chunk := file.read(_CHUNK):
                yield chunk

    def _sweep(self, draft: Path) -> None:
        """Remove what a killed writer left; a draft that is a day old has no writer any more."""
        with suppress(OSError):
            if draft.stat().st_mtime < time.time() - _STALE:
                draft.unlink()

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            import errno

            place = error.filename or self._root
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(
                    f"cannot {what} {place}: {error.strerror}", hint="free some space (`ecluse gc` helps)"
                ) from error
            raise StorageError(
                f"cannot {what} {place}: {error.strerror or error}",
                hint=f"check that {self._root} can be read and written",
            ) from error
