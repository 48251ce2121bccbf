"""The log of one stage attempt: masked, stamped, bounded, hashed while it is written."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pipeline.engine.masking import LineCutter, Masker
from pipeline.errors import DiskFullError, StorageError
from pipeline.model.container import Stream

Follower = Callable[[bytes], None]

COMMAND_STYLE = b"\x1b[1;36m$ %s\x1b[0m\n"
NOTE_STYLE = b"\x1b[2m\xc2\xb7 %s\x1b[0m\n"


def stamp(moment: datetime) -> bytes:
    """The prefix of a log line: `2026-11-23T23:00:00.123Z `."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%03dZ " % (moment.microsecond // 1000)


class AttemptLog:
    """Takes output from any thread, keeps whole lines in order of arrival, and tells a follower.

    The file has one line each: time, space, text. Past `limit` bytes one clear line is written and the rest is
    dropped. A write that fails is kept as `error` and raised by `close`; writing never raises. `seen` holds those of
    the texts in `watch_for` that stood in a line of output.
    """

    def __init__(
        self,
        path: Path,
        *,
        masker: Masker,
        follower: Follower,
        limit: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        starting: Callable[[], None] = lambda: None,
        watch_for: tuple[str, ...] = (),
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.lines = 0
        self._file = path.open("wb", buffering=0)
        self._hash = hashlib.sha256()
        self._masker = masker
        self._follower = follower
        self._room = limit
        self._limit = limit
        self._now = now
        self._starting = starting
        self._lock = threading.Lock()
        self._cutters = {stream: LineCutter(masker) for stream in Stream}
        self._services: dict[str, ServiceOutput] = {}
        self._error: OSError | None = None
        self._awaited = {text.encode(): text for text in watch_for}
        self.seen: frozenset[str] = frozenset()

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Raw output, cut anywhere."""
        with self._lock:
            block = self._cutters[stream].feed(chunk)
            if block:
                self._notice(block)
                self._append(block)

    def starting(self) -> None:
        """A container of this attempt is about to be started."""
        self._starting()

    def note(self, line: str) -> None:
        """A line of Écluse's own; a line break in it becomes a second note."""
        with self._lock:
            for part in line.splitlines() or [""]:
                self._append(self._masker.mask(NOTE_STYLE % part.encode(errors="replace")))

    def command(self, text: str) -> None:
        """A header line: what follows belongs to this command."""
        with self._lock:
            self._append(self._masker.mask(COMMAND_STYLE % text.encode(errors="replace")))

    def service(self, name: str) -> ServiceOutput:
        """Where the output of a service goes: its lines carry its name."""
        with self._lock:
            return self._services.setdefault(name, ServiceOutput(self, name, self._masker))

    def line(self, text: bytes) -> None:
        """Whole masked lines of somebody else's making."""
        with self._lock:
            self._notice(text)
            self._append(text)

    def flush(self) -> None:
        """Write out lines that have no end yet."""
        with self._lock:
            for cutter in self._cutters.values():
                block = cutter.finish()
                if block:
                    self._notice(block)
                    self._append(block)

    def close(self) -> str:
        """Write what is unfinished; the digest of the file. DiskFullError or StorageError where writing failed."""
        for service in list(self._services.values()):
            service.finish()
        self.flush()
        self._file.close()
        if self._error is not None:
            if self._error.errno == 28:
                raise DiskFullError(
                    f"the log {self.path} could not be written: no space left",
                    hint="free space, then run again; `ecluse gc` removes what is not needed",
                ) from self._error
            raise StorageError(f"the log {self.path} could not be written: {self._error}") from self._error
        return "sha256:" + self._hash.hexdigest()

    def _notice(self, block: bytes) -> None:
        """Remember the awaited texts of a block of whole lines: also of those that the limit drops from the file."""
        for awaited in [awaited for awaited in self._awaited if awaited in block]:
            self.seen |= {self._awaited.pop(awaited)}

    def _append(self, block: bytes) -> None:
        if self._room <= 0:
            return
        if len(block) > self._room:
            block = block[: block.rfind(b"\n", 0, self._room) + 1]
            block += NOTE_STYLE % (
                b"the log is longer than %d bytes: the rest is dropped (setting log_limit)" % self._limit
            )
            self._room = 0
        else:
            self._room -= len(block)
        prefix = stamp(self._now())
        stamped = prefix + block[:-1].replace(b"\n", b"\n" + prefix) + b"\n"
        self.lines += block.count(b"\n")
        try:
            view = memoryview(stamped)
            while view:
                view = view[self._file.write(view) :]
            self._hash.update(stamped)
        except OSError as error:
            self._error = self._error or error
        self._follower(block)


class ServiceOutput:
    """A service's lines within its stage's log, each behind the service's name."""

    def __init__(self, log: AttemptLog, name: str, masker: Masker) -> None:
        self._log = log
        self._prefix = b"[" + name.encode() + b"] "
        self._cutters = {stream: LineCutter(masker) for stream in Stream}

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Raw output, cut anywhere."""
        self._give(self._cutters[stream].feed(chunk))

    def starting(self) -> None:
        """Services start before their stage."""

    def note(self, line: str) -> None:
        """A line of Écluse's own about the service."""
        self._log.note(f"{self._prefix.decode()}{line}")

    def service(self, name: str) -> ServiceOutput:
        """Services have no services; the same stream."""
        return self

    def finish(self) -> None:
        """Write out lines that have no end yet."""
        for cutter in self._cutters.values():
            self._give(cutter.finish())

    def _give(self, block: bytes) -> None:
        if block:
            self._log.line(self._prefix + block[:-1].replace(b"\n", b"\n" + self._prefix) + b"\n")
