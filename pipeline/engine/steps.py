"""Which command of a stage runs now, seen from the header lines in its output, and the time limit of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.engine.script import header_line
from pipeline.model.container import Stream
from pipeline.model.duration import spell_duration

if TYPE_CHECKING:
    from pipeline.ports.cancellation import Cancellation
    from pipeline.ports.executor import Output


class StepWatch:
    """An Output that passes everything on and counts the headers of `commands` as they come.

    Each header is looked for only in its turn, so that a command that prints such lines does not mislead it; behind
    the last one nothing is looked at any more. A step that takes longer than its limit cancels the stage.
    """

    def __init__(
        self,
        output: Output,
        commands: Sequence[str],
        limits: Sequence[float | None],
        *,
        cancel: Cancellation,
        now: Callable[[], datetime],
    ) -> None:
        self._output = output
        self._headers = [header_line(command) for command in commands]
        self._limits = limits
        self._cancel = cancel
        self._now = now
        self._rest = b""
        self._timer: threading.Timer | None = None
        self.step = 0
        """The number of the command that runs, from 1; 0 before the first."""

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Pass on, and look for the next headers."""
        if stream is Stream.OUT and self.step < len(self._headers):
            self._look(chunk, spent=0.0)
        self._output.write(stream, chunk)

    def starting(self) -> None:
        """Passed on."""
        self._output.starting()

    def note(self, line: str) -> None:
        """Passed on."""
        self._output.note(line)

    def service(self, name: str) -> Output:
        """Passed on."""
        return self._output.service(name)

    def replaying(self) -> None:
        """The output comes again from its beginning."""
        self.close()
        self.step, self._rest = 0, b""
        self._output.replaying()

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        """As `write`, with what was printed at `moment`: that time of a step's limit is spent."""
        if stream is Stream.OUT and self.step < len(self._headers):
            self._look(lines, spent=max((self._now() - moment).total_seconds(), 0.0))
        self._output.replayed(stream, lines, moment)

    def close(self) -> None:
        """The container has ended, or nobody waits for it any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, chunk: bytes, *, spent: float) -> None:
        text = self._rest + chunk
        at = 0
        while self.step < len(self._headers):
            wanted = self._headers[self.step]
            found = text.find(wanted, at)
            if found < 0:
                self._rest = text[max(at, len(text) - len(wanted) + 1) :]
                return
            at = found + len(wanted)
            self.step += 1
            self._limit(spent)
        self._rest = b""

    def _limit(self, spent: float) -> None:
        self.close()
        seconds = self._limits[self.step - 1] if self.step <= len(self._limits) else None
        if seconds is None:
            return
        reason = f"timeout {spell_duration(seconds)} in step {self.step}"
        self._timer = threading.Timer(max(seconds - spent, 0.0), self._cancel.cancel, (reason,), {"timed_out": True})
        self._timer.daemon = True
        self._timer.start()
