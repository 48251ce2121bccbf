"""One problem of a file, with its place: what compilers, editors and CI hosts all understand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a problem matters: an error stops, a warning is said, a hint is offered."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place in a file; `line` and `column` count from 1, `length` is in characters of that line."""

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnostic:
    """A problem: `code` is stable and short (`unknown-key`), `note` stands behind the caret (`did you mean …?`)."""

    code: str
    message: str
    position: Position
    severity: Severity = Severity.ERROR
    note: str = ""
    related: tuple[tuple[str, Position], ...] = ()
    """Further places with their words, such as each `needs` line of a cycle."""
