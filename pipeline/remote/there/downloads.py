"""Artifacts of a server's run, read as if they lay here: block by block, and checked by their digest."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import IO, cast

from pipeline.errors import StorageError
from pipeline.remote.connection import Connection

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Downloads:
    """The artifacts of one run: `sizes` by digest, as the run says them."""

    def __init__(self, connection: Connection, path: str, sizes: Mapping[str, int]) -> None:
        self._connection = connection
        self._path = path
        self._sizes = sizes

    def open(self, digest: str) -> IO[bytes]:
        """Its content. StorageError while it is read, where it is not what the digest and the size say."""
        if not _DIGEST.fullmatch(digest):
            raise StorageError(f"'{digest[:80]}' is no digest", hint="is the server's answer whole?")
        return cast(
            "IO[bytes]", _Checked(self._connection, f"{self._path}/artifacts/{digest}", digest, self._sizes[digest])
        )


class _Checked(io.RawIOBase):
    """Blocks of an answer as a file that ends only where its digest is right."""

    def __init__(self, connection: Connection, path: str, digest: str, size: int) -> None:
        self._stack = ExitStack()
        self._blocks: Iterator[bytes] = self._stack.enter_context(connection.content(path))
        self._digest = digest
        self._left = size
        self._sum = hashlib.sha256()
        self._rest = b""

    def readable(self) -> bool:
        """Nothing else."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; b"" at the end, once it was checked."""
        if not self._rest:
            self._rest = next(self._blocks, b"")
            self._left -= len(self._rest)
            if self._left < 0:
                raise StorageError(f"artifact {self._digest[:19]} is larger than its run says", hint="nothing was kept")
            self._sum.update(self._rest)
            if not self._rest and f"sha256:{self._sum.hexdigest()}" != self._digest:
                raise StorageError(
                    f"what the server sent is not artifact {self._digest[:19]}", hint="nothing was kept; try again"
                )
        block, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return block

    def close(self) -> None:
        """Let go of the connection."""
        self._stack.close()
        super().close()
