"""A log on the disk: whole lines, each with its time, bounded and hashed while it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pipeline.errors import DiskFullError, StorageError

NOTE_STYLE = b"\x1b[2m\xc2\xb7 %s\x1b[0m\n"
STAMP_SIZE = 25
NO_SPACE = 28
_TAIL = 8 * 1024


def stamp(moment: datetime) -> bytes:
    """The prefix of a log line: `2026-11-23T23:00:00.123Z `."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%03dZ " % (moment.microsecond // 1000)


class LogFile:
    """One line each: time, space, text. Past `limit` bytes of text one clear line is written and the rest dropped.

    A write that fails is kept and raised by `close`; writing never raises. Not safe for several threads by itself.
    OSError leaves only where the file cannot be opened.
    """

    def __init__(self, path: Path, *, limit: int, now: Callable[[], datetime]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.lines = 0
        self._file = path.open("wb", buffering=0)
        self._hash = hashlib.sha256()
        self._limit = limit
        self._room = limit
        self._now = now
        self._error: OSError | None = None

    @property
    def size(self) -> int:
        """Bytes that the file has."""
        return self._file.tell()

    def append(self, block: bytes, moment: datetime | None = None) -> bytes:
        """Write masked whole lines that came at `moment` (else now); what was taken of them."""
        if self._room <= 0:
            return b""
        if len(block) > self._room:
            block = block[: block.rfind(b"\n", 0, self._room) + 1]
            block += NOTE_STYLE % (
                b"the log is longer than %d bytes: the rest is dropped (setting log_limit)" % self._limit
            )
            self._room = 0
        else:
            self._room -= len(block)
        prefix = stamp(moment or self._now())
        self._write(prefix + block[:-1].replace(b"\n", b"\n" + prefix) + b"\n", block.count(b"\n"))
        return block

    def start_over(self, stamped: bytes = b"") -> None:
        """Forget all that was written; begin with these lines, which have their times."""
        with suppress(OSError):
            self._file.seek(0)
            self._file.truncate()
        self._hash = hashlib.sha256()
        self.lines = stamped.count(b"\n")
        self._room = self._limit - max(0, len(stamped) - STAMP_SIZE * self.lines)
        self._write(stamped, 0)

    def tail(self, lines: int) -> bytes:
        """The last lines, without their times; none where the file cannot be read."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.size - _TAIL))
                last = file.read().splitlines()[-lines:]
        except OSError:
            return b""
        return b"".join(line[STAMP_SIZE:] + b"\n" for line in last)

    def close(self) -> str:
        """The digest of the file. DiskFullError or StorageError where writing failed."""
        self._file.close()
        if self._error is None:
            return "sha256:" + self._hash.hexdigest()
        if self._error.errno == NO_SPACE:
            raise DiskFullError(
                f"the log {self.path} could not be written: no space left",
                hint="free space, then run again; `ecluse gc` removes what is not needed",
            ) from self._error
        raise StorageError(f"the log {self.path} could not be written: {self._error}") from self._error

    def _write(self, stamped: bytes, lines: int) -> None:
        self.lines += lines
        try:
            view = memoryview(stamped)
            while view:
                view = view[self._file.write(view) :]
            self._hash.update(stamped)
        except OSError as error:
            self._error = self._error or error
