"""A run in the job of a CI host: each stage's lines in a section of its own, that the host's page can fold.

One stage is shown as it prints. What stages beside it print waits until that one has ended, so that sections never
run into each other; then each that has ended follows in its own section, and the next that still runs is shown live.

GitLab: https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections
GitHub, Gitea, Forgejo: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Protocol

from pipeline.cli.render.clean import for_terminal
from pipeline.cli.render.lines import Line, written
from pipeline.cli.render.plain import PlainLines
from pipeline.cli.render.terminal import Terminal
from pipeline.model.identity import safe_name
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan
from pipeline.model.run import Run, StageRun
from pipeline.model.status import StageState

IN_MEMORY = 1 << 20
"""Bytes of a waiting stage that are kept in memory; more goes to a temporary file."""
_BLOCK = 1 << 16


class Marks(Protocol):
    """What a host reads as the borders of a section, and as the borders of text in which it obeys nothing."""

    def begin(self) -> bytes:
        """Before everything: from here on nothing that anybody prints is a command."""

    def open(self, name: str, *, folded: bool) -> bytes:
        """The first line of a section."""

    def close(self, name: str) -> bytes:
        """The last one."""

    def end(self) -> bytes:
        """Behind everything: commands work again."""


class WorkflowCommands:
    """`::group::`; between our own commands all others are switched off by a word that nobody can guess."""

    def __init__(self, token: str = "") -> None:
        self._token = token or secrets.token_hex(16)

    def begin(self) -> bytes:
        """Stop commands."""
        return f"::stop-commands::{self._token}\n".encode()

    def open(self, name: str, *, folded: bool) -> bytes:
        """Groups are always folded."""
        return self.end() + f"::group::{name}\n".encode() + self.begin()

    def close(self, name: str) -> bytes:
        """The end of the group."""
        return self.end() + b"::endgroup::\n" + self.begin()

    def end(self) -> bytes:
        """Resume commands."""
        return f"::{self._token}::\n".encode()


class SectionMarkers:
    """`section_start`; a marker needs a carriage return and an escape sequence, of which no line keeps any."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def begin(self) -> bytes:
        """Nothing is needed."""
        return b""

    def open(self, name: str, *, folded: bool) -> bytes:
        """The marker, which does not show, and the header."""
        options = "[collapsed=true]" if folded else ""
        return f"\x1b[0Ksection_start:{self._now():.0f}:{_key(name)}{options}\r\x1b[0K\x1b[1m{name}\x1b[0m\n".encode()

    def close(self, name: str) -> bytes:
        """The marker."""
        return f"\x1b[0Ksection_end:{self._now():.0f}:{_key(name)}\r\x1b[0K\n".encode()

    def end(self) -> bytes:
        """Nothing is needed."""
        return b""


def _key(name: str) -> str:
    """Letters, digits, `_`, `.` and `-`, and never that of the job's own sections."""
    return f"ecluse_{safe_name(name)}"


@dataclass(slots=True)
class _Section:
    """A stage that has begun: what it printed while it had to wait, and what is said behind it."""

    name: str
    waiting: SpooledTemporaryFile[bytes] = field(default_factory=lambda: SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
    behind: list[Line] = field(default_factory=list)
    ended: bool = False
    folded: bool = False


class SectionedLines(PlainLines):
    """An observer that writes sections. Lines about the run itself stand between them."""

    def __init__(
        self,
        out: BinaryIO,
        terminal: Terminal,
        marks: Marks,
        *,
        colour: bool = True,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(out, terminal, stopwatch=stopwatch)
        self._marks = marks
        self._colour = colour
        self._sections: dict[str, _Section] = {}
        self._live: _Section | None = None
        self._between: list[Line] = []
        self._begun = False

    def run_started(self, run: Run, plan: Plan) -> None:
        """Say what runs."""
        self._begun = True
        self._outlet.write(self._marks.begin())
        super().run_started(run, plan)

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """Open a section for a stage that starts, or keep it waiting."""
        self._progress.stage_moved(stage, state)
        if state is not StageState.PREPARING:
            return
        if stage.name not in self._sections:
            self._sections[stage.name] = _Section(stage.name)
            self._go_on()
        number = self._progress.stages[stage.name].attempt
        if number > 1:
            self._write(self._sections[stage.name], f"· attempt {number}\n".encode())

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """Write the lines into the stage's section, or let them wait."""
        self._progress.stage_output(stage, text)
        section = self._sections.get(stage)
        if section is None:
            super().stage_output(run, stage, attempt, text)
        else:
            self._write(section, for_terminal(text, colour=self._colour))

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """Close its section, and go on with those that waited."""
        super().stage_finished(run, stage, outcome)
        self._end(stage.name, folded=outcome.conclusion.satisfies)

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """Close its section: it may open another when it goes on."""
        super().stage_parked(run, stage)
        self._end(stage.name, folded=True)

    def run_finished(self, run: Run) -> None:
        """Whatever has not been shown is shown now."""
        for name in list(self._sections):
            self._end(name, folded=False)
        super().run_finished(run)
        self.close()

    def close(self) -> None:
        """Let the host obey again: behind us come annotations. Also where the run broke off."""
        if self._begun:
            self._begun = False
            for name in list(self._sections):
                self._end(name, folded=False)
            self._outlet.write(self._marks.end())

    def _end(self, name: str, *, folded: bool) -> None:
        """A stage has no more to say; the last line about it moves behind its section."""
        section = self._sections.get(name)
        if section is None:
            return
        section.ended, section.folded = True, folded
        section.behind, self._between = [*section.behind, *self._between], []
        if section is self._live:
            self._outlet.write(self._marks.close(name))
            self._forget(section)
            self._live = None
        self._go_on()

    def _go_on(self) -> None:
        """While nothing is shown live: show those that have ended, then the first that still runs."""
        if self._live is not None:
            return
        for section in [item for item in self._sections.values() if item.ended]:
            self._show(section)
            self._outlet.write(self._marks.close(section.name))
            self._forget(section)
        self._live = next(iter(self._sections.values()), None)
        if self._live is not None:
            self._show(self._live)

    def _show(self, section: _Section) -> None:
        self._outlet.write(self._marks.open(section.name, folded=section.folded))
        section.waiting.seek(0)
        while block := section.waiting.read(_BLOCK):
            self._outlet.write(block)
        section.waiting.close()

    def _forget(self, section: _Section) -> None:
        del self._sections[section.name]
        for entry in section.behind:
            self._outlet.write(self._text(entry))

    def _write(self, section: _Section, text: bytes) -> None:
        if section is self._live:
            self._outlet.write(text)
        else:
            section.waiting.write(text)

    def _say(self, entry: Line) -> None:
        """Lines about the run wait while a section is open: folded away in it nobody would see them."""
        if self._live is None:
            self._outlet.write(self._text(entry))
        else:
            self._between.append(entry)

    def _text(self, entry: Line) -> bytes:
        return written([entry], self._terminal).encode("utf-8", "replace")
