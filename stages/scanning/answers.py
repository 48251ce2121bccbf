"""What the container with a network answers on its standard output; the rest of what it prints goes to the log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.errors import EcluseError
from pipeline.model.container import Stream
from pipeline.ports.executor import Output
from pipeline.ports.stage import StageLog


class Answers:
    """Takes a container's output. At most `limit` bytes of answers are kept."""

    def __init__(self, log: StageLog, *, limit: int) -> None:
        self._log = log
        self._limit = limit
        self._heard = bytearray()

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Answers come on the first stream, words for people on the second."""
        if stream is Stream.ERR:
            self._log.write(stream, chunk)
        elif len(self._heard) <= self._limit:
            self._heard += chunk

    def starting(self) -> None:
        """The stage runs already."""

    def replaying(self) -> None:
        """Everything comes again."""
        self._heard.clear()

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        """As what comes now."""
        del moment
        self.write(stream, lines)

    def note(self, line: str) -> None:
        """Écluse's own words about the container."""
        self._log.note(line)

    def service(self, name: str) -> Output:
        """There are none."""
        return self

    def read(self) -> Mapping[str, Mapping[str, Any]]:
        """Source → its answer; EcluseError when it is not one JSON object."""
        try:
            value = json.loads(self._heard) if len(self._heard) <= self._limit else None
        except ValueError:
            value = None
        if not isinstance(value, dict) or not all(isinstance(answer, dict) for answer in value.values()):
            raise EcluseError(
                f"the advisories cannot be read ({len(self._heard)} bytes)", hint="see the stage's log, then run again"
            )
        return value
