"""What failed first in a run, and the words that tell why: a test, a finding, or lines of a log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import EcluseError
from pipeline.model.finding import FindingSeverity
from pipeline.model.run import Run, StageRun
from pipeline.operations.log_parts import Part, read_part
from pipeline.operations.log_search import plain
from pipeline.operations.log_window import COMMAND, paper_of
from pipeline.ports.storage import Storage

_TAIL = 400
"""Lines from the end of a log among which the failing one is looked for."""
_SHOWN = 8
_GRAVE = FindingSeverity.HIGH.rank
_TELLS = re.compile(rb"(?i)\b(error|failed|failure|fatal|exception|panic|traceback|undefined|cannot|not found)\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """The stage that went wrong first. `line` is where `words` begin in its log, 0 where they are not of the log."""

    stage: StageRun
    reason: str
    hint: str = ""
    title: str = ""
    """The test or the finding; "" where only the log tells."""
    place: str = ""
    words: tuple[str, ...] = ()
    line: int = 0
    others: int = 0
    """How many more tests or findings there are."""


def first_failure(run: Run, storage: Storage, home: Path) -> Failure | None:
    """None where nothing went wrong. A log that is gone leaves the reason alone."""
    wrong = [stage for stage in run.stages if stage.conclusion is not None and stage.conclusion.went_wrong]
    if not wrong:
        return None
    stage = min(wrong, key=lambda item: (item.finished is None, item.finished or run.created))
    reason = stage.outcome.reason if stage.outcome else ""
    hint = stage.outcome.hint if stage.outcome else ""
    failures = [case for case in stage.products.tests.failures if not case.quarantined] if stage.products.tests else []
    if failures:
        case = failures[0]
        said = (case.message.strip() or case.details.strip()).splitlines()
        place = f"{case.file}:{case.line}" if case.file and case.line else case.file
        return Failure(
            stage=stage,
            reason=reason,
            hint=hint,
            title=case.title,
            place=place,
            words=tuple(said[:_SHOWN]),
            others=len(failures) - 1,
        )
    grave = sorted(stage.products.findings, key=lambda item: -item.severity.rank)
    if grave and grave[0].severity.rank >= _GRAVE:
        worst = grave[0]
        place = f"{worst.file}:{worst.line}" if worst.line else worst.file or f"{worst.package} {worst.version}".strip()
        others = sum(item.severity.rank >= _GRAVE for item in grave) - 1
        title = f"{worst.severity.value}: {worst.rule}"
        return Failure(
            stage=stage, reason=reason, hint=hint, title=title, place=place, words=(worst.message,), others=others
        )
    line, words = _of_log(run, stage, storage, home)
    return Failure(stage=stage, reason=reason, hint=hint, words=words, line=line)


def _of_log(run: Run, stage: StageRun, storage: Storage, home: Path) -> tuple[int, tuple[str, ...]]:
    """From the first line of the last command that tells of a failure; else the last lines."""
    try:
        paper = paper_of(home, run, stage.name)
        if not paper.readable or not paper.lines:
            return 0, ()
        with paper.open(storage) as file:
            lines = b"".join(read_part(file, Part(tail=_TAIL), lines=paper.lines)).split(b"\n")[:-1]
    except EcluseError:
        return 0, ()
    begun = max((index for index, line in enumerate(lines) if COMMAND in line), default=-1) + 1
    told = [index for index in range(begun, len(lines)) if _TELLS.search(plain(lines[index] + b"\n"))]
    start = told[0] if told else max(begun, len(lines) - _SHOWN)
    words = plain(b"\n".join(lines[start : start + _SHOWN]) + b"\n").decode(errors="replace").splitlines()
    return paper.lines - len(lines) + start + 1, tuple(words)
