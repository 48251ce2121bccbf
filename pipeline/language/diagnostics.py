"""Diagnostics as plain text: the place, the words, the file's own line with a caret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import combining, east_asian_width

from pipeline.diagnostic import Diagnostic, Position, Severity
from pipeline.language.problems import printable
from pipeline.language.tree import split_lines

_IN_CLEAR: Final = "secret-in-clear"
"""The code of a diagnostic whose place must not be printed."""
_MAX_LINE: Final = 160


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """A line of a file, and what stands below it; safe for a terminal."""

    gutter: str
    """The line's number, set to the right."""
    line: str
    before: str
    """As wide as what stands in front of the carets."""
    carets: str


def render(diagnostics: Sequence[Diagnostic], sources: Mapping[str, bytes]) -> str:
    """All diagnostics one after the other, then the ending line; "" for none.

    `sources` maps the file names of positions to their bytes; a diagnostic of a file that is not there is shown
    without its line.
    """
    lines = lines_of(sources, diagnostics)
    blocks = [line for diagnostic in diagnostics for line in _block(diagnostic, lines)]
    last = ending(diagnostics)
    return "\n".join([*blocks, *([last] if last else [])]) + "\n" if blocks else ""


def ending(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning. Nothing was run.`; without errors `1 warning.`; "" for nothing."""
    found = [diagnostic.severity for diagnostic in diagnostics]
    counts = [(severity.value, found.count(severity)) for severity in Severity if severity in found]
    if not counts:
        return ""
    words = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in counts)
    return f"{words}. Nothing was run." if Severity.ERROR in found else f"{words}."


def _block(diagnostic: Diagnostic, lines: Mapping[str, Sequence[str]]) -> list[str]:
    position = diagnostic.position
    block = [f"{position} {diagnostic.severity}: {diagnostic.message}"]
    block += _text(position, lines, diagnostic.note)
    for words, place in diagnostic.related:
        block.append(f"  {place}: {words}")
        block += _text(place, lines, "")
    return block


def _text(place: Position, lines: Mapping[str, Sequence[str]], note: str) -> list[str]:
    found = excerpt(place, lines.get(place.file, ()))
    if found is None:
        return [f"      = {note}"] if note else []
    blank = " " * len(found.gutter)
    return [f"{found.gutter} | {found.line}".rstrip(), f"{blank} | {found.before}{found.carets} {note}".rstrip()]


def lines_of(sources: Mapping[str, bytes], diagnostics: Iterable[Diagnostic]) -> dict[str, list[str]]:
    """The lines of files as positions count them, with stars where one of the diagnostics found a secret in clear."""
    lines = {file: _lines(text) for file, text in sources.items()}
    for place in (found.position for found in diagnostics if found.code == _IN_CLEAR):
        if 0 < place.line <= len(lines.get(place.file, ())):
            line, start = lines[place.file][place.line - 1], place.column - 1
            secret = line[start : start + place.length]
            lines[place.file][place.line - 1] = (
                line[:start] + secret[:4] + "*" * len(secret[4:]) + line[start + place.length :]
            )
    return lines


def excerpt(place: Position, lines: Sequence[str]) -> Excerpt | None:
    """The line at a place among the lines of its file; None where it is not there.

    Of a long line only what stands around the caret.
    """
    if not 0 < place.line <= len(lines):
        return None
    line = lines[place.line - 1]
    start = min(place.column - 1, len(line))
    length = max(1, min(place.length, len(line) - start))
    line = "\t".join(printable(piece) for piece in line.split("\t"))
    if len(line) > _MAX_LINE:
        cut = max(0, start - 40)
        line = line[cut : cut + _MAX_LINE - 1] + ("…" if len(line) >= cut + _MAX_LINE else "")
        start -= cut
        length = max(1, min(length, len(line) - start))
    gutter = f"{place.line:>5}"
    # what stands before the caret keeps its tabs, so that the caret stands below the word in any terminal
    before = "".join("\t" if letter == "\t" else " " * _width(letter) for letter in line[:start])
    carets = "^" * sum(_width(letter) for letter in line[start : start + length]) or "^"
    return Excerpt(gutter=gutter, line=line, before=before, carets=carets)


def _width(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1


def _lines(text: bytes) -> list[str]:
    lines = split_lines(text.decode("utf-8-sig", "replace"))
    return lines if lines[-1] else lines[:-1]
