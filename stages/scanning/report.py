"""What a check came to: its findings, and, just as loudly, what it did not look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.model.finding import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Something that a check did not look at (`3 npm packages`) and why (`no data`); `transient`: it may next time."""

    subject: str
    why: str
    transient: bool = False

    def __str__(self) -> str:
        return f"{self.subject} ({self.why})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A scanner or source of data, as named in the SARIF file."""

    name: str
    version: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waived:
    """A finding that the file of waivers accepts, and why."""

    finding: Finding
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """One check. `failure` says why it could not run at all ("" = it ran); `silenced` are findings that the source
    itself declares as accepted, `waived` those that the file of waivers accepts. `rules` are the words of each rule's
    identifier, where the tool has some."""

    check: str
    tools: tuple[Tool, ...]
    findings: tuple[Finding, ...] = ()
    silenced: tuple[Finding, ...] = ()
    waived: tuple[Waived, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str = ""
    transient: bool = False
    rules: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceAnswer:
    """What a source of advisories knows: `answered` counts the packages that it looked up, found or not."""

    tools: tuple[Tool, ...] = ()
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
    answered: int = 0


def printable(text: object, *, limit: int = 300) -> str:
    """Foreign text for a log line: control characters (escape sequences, line ends) become `?`, long text is cut."""
    cleaned = "".join(letter if letter.isprintable() else "?" for letter in str(text)[: limit + 1])
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def counted(number: int, noun: str) -> str:
    """`1 package`, `2 packages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
