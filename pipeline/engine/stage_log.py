"""The log of one stage attempt, and those of its services: masked, in order of arrival, told to a follower."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pipeline.engine.earlier_log import EarlierLog
from pipeline.engine.log_file import NOTE_STYLE, STAMP_SIZE, LogFile, stamp
from pipeline.engine.masking import LineCutter, Masker
from pipeline.model.container import Stream
from pipeline.model.identity import safe_name

__all__ = ["AttemptLog", "ServiceLog", "stamp"]

Follower = Callable[[bytes], None]

COMMAND_STYLE = b"\x1b[1;36m$ %s\x1b[0m\n"
LAST_WORDS = 20
"""Lines of a service that are shown when it does not get ready."""


class AttemptLog:
    """Takes output from any thread, keeps whole lines in order of arrival, and tells a follower.

    Past `limit` bytes the rest is dropped with a clear line. A write that fails is raised by `close`; writing never
    raises. `seen` holds those of the texts in `watch_for` that stood in a line of output. With `taken_up` the log of
    a process that was killed may stand at `path`: what it noted before its first container started is kept if that
    container is found again (`replaying`), and everything else of it is dropped, because it comes again.
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
        taken_up: bool = False,
    ) -> None:
        self.path = path
        self._earlier = EarlierLog(path)
        self._lead = self._earlier.take() if taken_up else b""
        self._file = LogFile(path, limit=limit, now=now)
        self._masker = masker
        self._follower = follower
        self._limit = limit
        self._now = now
        self._starting = starting
        self._lock = threading.Lock()
        self._cutters = {stream: LineCutter(masker) for stream in Stream}
        self._services: dict[str, ServiceLog] = {}
        self._awaited = {text.encode(): text for text in watch_for}
        self._begun = False
        self._printed = False
        self._told: Counter[bytes] = Counter()
        self.seen: frozenset[str] = frozenset()
        self.service_logs: Mapping[str, tuple[Path, str]] = {}
        """By service, once closed: the log and its digest."""

    @property
    def lines(self) -> int:
        """How many lines the log has."""
        return self._file.lines

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Raw output, cut anywhere."""
        with self._lock:
            self._output(self._cutters[stream].feed(chunk))

    def starting(self) -> None:
        """A container of this attempt is about to be started."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self._earlier.begin(self._file.size)
        self._starting()

    def replaying(self) -> None:
        """The container began under another process; all that it has printed follows."""
        with self._lock:
            if self._printed:
                return
            lead, self._lead = self._lead, b""
            self._file.start_over(lead)
            self._follow_unseen(lead)
            if self._begun:
                self._earlier.begin(self._file.size)

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        """What a container printed at `moment`, before this process watched."""
        with self._lock:
            self._output(self._cutters[stream].feed(lines), moment)

    def note(self, line: str) -> None:
        """A line of Écluse's own; a line break in it becomes a second note."""
        with self._lock:
            for part in line.splitlines() or [""]:
                text = self._masker.mask(NOTE_STYLE % part.encode(errors="replace"))
                self._append(text)
                if not self._begun:
                    self._told[text] += 1

    def command(self, text: str) -> None:
        """A header line: what follows belongs to this command."""
        with self._lock:
            self._append(self._masker.mask(COMMAND_STYLE % text.encode(errors="replace")))

    def service(self, name: str) -> ServiceLog:
        """Where the output of a service goes: a log of its own beside this one."""
        with self._lock:
            if name not in self._services:
                path = self.path.with_suffix(f".{safe_name(name)}.log")
                file = LogFile(path, limit=self._limit, now=self._now)
                self._services[name] = ServiceLog(name, file, masker=self._masker, note=self.note)
            return self._services[name]

    def last_words(self) -> None:
        """Show the last lines of every service here: one of them did not get ready."""
        for name, service in list(self._services.items()):
            prefix = b"[" + name.encode() + b"] "
            block = b"".join(prefix + line for line in service.tail(LAST_WORDS).splitlines(keepends=True))
            if block:
                with self._lock:
                    self._append(block)

    def flush(self) -> None:
        """Write out lines that have no end yet."""
        with self._lock:
            for cutter in self._cutters.values():
                self._output(cutter.finish())

    def close(self) -> str:
        """Write what is unfinished; the digest of the file. DiskFullError or StorageError where writing failed."""
        self.service_logs = {name: (log.path, log.close()) for name, log in self._services.items()}
        self.flush()
        digest = self._file.close()
        self._earlier.forget()
        return digest

    def _output(self, block: bytes, moment: datetime | None = None) -> None:
        if block:
            self._printed = True
            self._notice(block)
            self._append(block, moment)

    def _notice(self, block: bytes) -> None:
        """Remember the awaited texts of a block of whole lines: also of those that the limit drops from the file."""
        for awaited in [awaited for awaited in self._awaited if awaited in block]:
            self.seen |= {self._awaited.pop(awaited)}

    def _append(self, block: bytes, moment: datetime | None = None) -> None:
        taken = self._file.append(block, moment)
        if taken:
            self._follower(taken)

    def _follow_unseen(self, lead: bytes) -> None:
        """Tell the follower what another process noted, less what this one has told it in the same words."""
        lines = [line[STAMP_SIZE:] for line in lead.splitlines(keepends=True)]
        unseen = Counter(lines) - self._told
        block = b""
        for line in lines:
            if unseen[line] > 0:
                unseen[line] -= 1
                block += line
        if block:
            self._follower(block)


class ServiceLog:
    """The log of one service of an attempt; Écluse's own notes about it stand in the stage's log."""

    def __init__(self, name: str, file: LogFile, *, masker: Masker, note: Callable[[str], None]) -> None:
        self.path = file.path
        self._name = name
        self._file = file
        self._note = note
        self._masker = masker
        self._cutters = {stream: LineCutter(masker) for stream in Stream}
        self._lock = threading.Lock()

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Raw output, cut anywhere."""
        with self._lock:
            self._append(self._cutters[stream].feed(chunk))

    def starting(self) -> None:
        """Services start before their stage."""

    def note(self, line: str) -> None:
        """A line of Écluse's own about the service."""
        self._note(f"[{self._name}] {line}")

    def service(self, name: str) -> ServiceLog:
        """Services have no services; the same stream."""
        return self

    def replaying(self) -> None:
        """All that the service has printed follows."""
        with self._lock:
            self._cutters = {stream: LineCutter(self._masker) for stream in Stream}
            self._file.start_over()

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        """What the service printed at `moment`, before this process watched."""
        with self._lock:
            self._append(self._cutters[stream].feed(lines), moment)

    def tail(self, lines: int) -> bytes:
        """The last lines, without their times."""
        with self._lock:
            return self._file.tail(lines)

    def close(self) -> str:
        """Write what is unfinished; the digest of the file."""
        with self._lock:
            for cutter in self._cutters.values():
                self._append(cutter.finish())
            return self._file.close()

    def _append(self, block: bytes, moment: datetime | None = None) -> None:
        if block:
            self._file.append(block, moment)
