"""The problems of one file, collected in one pass and handed out in the file's order, each once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pipeline.diagnostic import Diagnostic, Position, Severity
from pipeline.language.tree import Source, Span

_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing."""


class Problems:
    """Collects diagnostics of one source; the same words at the same place count once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._found: dict[tuple[str, Position], Diagnostic] = {}
        self.errors = 0
        """How many of them stop."""
        self.partial = False
        """Whether an included file could not be read: names that are not there may be in it."""
        self._included: dict[str, Position] = {}

    def add(
        self,
        code: str,
        message: str,
        place: Span | Position,
        *,
        note: str = "",
        severity: Severity = Severity.ERROR,
        related: tuple[tuple[str, Position], ...] = (),
    ) -> None:
        """Keep one problem."""
        position = place if isinstance(place, Position) else self.source.position(place)
        self.keep(
            Diagnostic(code=code, message=message, position=position, severity=severity, note=note, related=related)
        )

    def keep(self, diagnostic: Diagnostic) -> None:
        """Keep one that somebody else (a stage kind) wrote; control characters of the file do not reach a terminal."""
        diagnostic = replace(diagnostic, message=printable(diagnostic.message), note=printable(diagnostic.note))
        if self._found.setdefault((diagnostic.message, diagnostic.position), diagnostic) is diagnostic:
            self.errors += diagnostic.severity is Severity.ERROR

    def warn(self, code: str, message: str, place: Span | Position, *, note: str = "") -> None:
        """Keep a warning."""
        self.add(code, message, place, note=note, severity=Severity.WARNING)

    def include(self, source: Source, by: Position) -> None:
        """Count a further file among the sources, and remember which line included it."""
        self.source = replace(self.source, others={**self.source.others, source.file: source})
        self._included[source.file] = by

    def all(self) -> tuple[Diagnostic, ...]:
        """All of them, by line and column; those of included files behind, each with the lines that included it."""
        if not self._included:
            return tuple(sorted(self._found.values(), key=lambda item: (item.position.line, item.position.column)))
        order = {file: number for number, file in enumerate(self._included, start=1)}
        ordered = sorted(
            self._found.values(),
            key=lambda item: (order.get(item.position.file, 0), item.position.line, item.position.column),
        )
        return tuple(replace(item, related=item.related + self._way(item.position.file)) for item in ordered)

    def _way(self, file: str) -> tuple[tuple[str, Position], ...]:
        way: list[tuple[str, Position]] = []
        while file in self._included and len(way) <= len(self._included):
            way.append((f"{file} is included here", self._included[file]))
            file = self._included[file].file
        return tuple(way)


def printable(text: str) -> str:
    """A text in one line, without characters that a terminal would obey."""
    return _UNPRINTABLE.sub("\ufffd", " ".join(text.splitlines()))


_MANY = 300
"""Known words among which the nearest is looked for."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'checkout'?` for the nearest known word, or nothing, as where there are very many: a file of
    anybody's may ask for as many suggestions as it has names."""
    import difflib

    names = set(known)
    if len(word) > 100 or len(names) > _MANY:
        return ""
    near = difflib.get_close_matches(word, sorted(names), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""


def listing(words: Iterable[str], *, conjunction: str = "or") -> str:
    """`a, b or c`."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"
