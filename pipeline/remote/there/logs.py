"""Logs of a server's run: read from where we are, again where the connection was cut, until nothing follows."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import ServerBusyError
from pipeline.model.pulse import Pulse, StagePulse
from pipeline.model.status import RunState, StageState
from pipeline.operations.log_pieces import Mark
from pipeline.operations.logs import LogBlock
from pipeline.remote.connection import Connection
from pipeline.remote.refusals import broken

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.operations.log_parts import Part

QUICK = 0.3
"""Seconds until the next question while lines come."""
SLOW = 1.5
"""The longest of them while none do."""
PATIENCE = 300.0
"""Seconds for which a server that went away is waited for: it may be brought up to date just now."""
_AT_ONCE = 40
"""Stages of one question: their names have to fit into an address."""


def parts(
    connection: Connection, path: str, part: Part, *, names: Sequence[str], attempt: int, service: str
) -> Iterator[LogBlock]:
    """A part of each log, as it stands. `path` is that of the run."""
    query: dict[str, Any] = {
        "stage": list(names) or None,
        "attempt": attempt or None,
        "service": service or None,
        "first": part.first if part.first > 1 else None,
        "last": part.last,
        "tail": part.tail,
        "since": part.since.isoformat() if part.since else None,
    }
    for line in connection.lines(f"{path}/logs", query):
        said = _said(connection, line)
        if "lines" in said:
            yield _block(connection, said)


def followed(
    connection: Connection, path: str, *, names: Collection[str], attempt: int, follow: bool
) -> Iterator[LogBlock]:
    """All lines of these stages, each once; without `follow` those that there are now."""
    reading = Reading(connection, path, names=names, attempt=attempt)
    patience = Patience()
    nap = QUICK
    while True:
        grown = False
        try:
            pulse = connection.noun(Pulse, f"{path}/pulse")
            for block in reading.news(pulse):
                grown = True
                yield block
            patience.restored()
            if reading.over or not follow:
                return
        except ServerBusyError as error:
            time.sleep(patience.borne(error))
        nap = QUICK if grown else min(nap * 1.5, SLOW)
        time.sleep(nap)


class Patience:
    """How long a server that is away is waited for."""

    def __init__(self) -> None:
        self._since: float | None = None

    def restored(self) -> None:
        """It answers."""
        self._since = None

    def borne(self, error: ServerBusyError) -> float:
        """For how many seconds to leave it alone. Raises the error once that has gone on for too long."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since > PATIENCE:
            raise error
        return min(max(error.later, SLOW), 60.0)


class Reading:
    """How far we have read of each stage's logs: no line comes twice, and none is left out, whatever is cut off."""

    def __init__(self, connection: Connection, path: str, *, names: Collection[str] = (), attempt: int = 0) -> None:
        self.over = False
        """Whether nothing more can come."""
        self._connection = connection
        self._path = path
        self._names = frozenset(names)
        self._attempt = attempt
        self._marks: dict[str, Mark] = {}
        self._read: dict[str, int] = {}
        """Stages that were done when all of their logs was read, with how many attempts: a retry makes more."""

    def skip(self, marks: Mapping[str, Mark]) -> None:
        """Leave out what lies before these marks."""
        self._marks.update(marks)

    def news(self, pulse: Pulse) -> Iterator[LogBlock]:
        """What has come since the last time, of stages that had begun by then. ServerBusyError where it was cut off."""
        chosen = [stage for stage in pulse.stages if not self._names or stage.name in self._names]
        open_ = [stage for stage in chosen if self._read.get(stage.name) != stage.attempts]
        begun = sorted((stage for stage in open_ if stage.started), key=lambda stage: str(stage.started))
        ends = pulse.state is RunState.DONE or all(stage.state is StageState.DONE for stage in chosen)
        gone = False
        # one that has not begun is asked about, too: the answer says whether the run's process still lives
        for first in range(0, len(begun or open_[:1]), _AT_ONCE):
            batch = (begun or open_[:1])[first : first + _AT_ONCE]
            over = yield from self._batch(batch)
            gone = gone or over
            self._read |= {stage.name: stage.attempts for stage in batch if stage.state is StageState.DONE}
        self.over = ends or gone

    def _batch(self, stages: Sequence[StagePulse]) -> Generator[LogBlock, None, bool]:
        """Whether the server says that nothing more can come of them."""
        names = [stage.name for stage in stages]
        after = [f"{name}:{mark.attempt}:{mark.read}" for name in names if (mark := self._marks.get(name))]
        query = {"stage": names, "attempt": self._attempt or None, "after": after or None}
        for line in self._connection.lines(f"{self._path}/logs", query):
            said = _said(self._connection, line)
            if "over" in said:
                return bool(said["over"])
            block = _block(self._connection, said)
            start = said.get("start")
            begun = start if isinstance(start, int) else 0
            self._marks[block.stage] = Mark(attempt=block.attempt, read=begun + len(block.lines))
            yield block
        raise ServerBusyError(f"{self._connection.server.url}: a log was cut off", hint="try again")


def _said(connection: Connection, line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise broken(connection.server, "a line of a log that is no JSON") from error
    if not isinstance(said, dict):
        raise broken(connection.server, "a line of a log that says nothing")
    return said


def _block(connection: Connection, said: dict[str, Any]) -> LogBlock:
    stage, attempt, lines = said.get("stage"), said.get("attempt"), said.get("lines")
    if not (isinstance(stage, str) and isinstance(attempt, int) and isinstance(lines, str) and lines.endswith("\n")):
        raise broken(connection.server, "a line of a log without its stage, attempt or text")
    try:
        return LogBlock(stage=stage, attempt=attempt, lines=lines.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as error:
        raise broken(connection.server, "a line of a log that is no text") from error
