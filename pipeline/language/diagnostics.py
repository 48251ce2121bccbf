"""Diagnostics as plain text: the place, the words, the file's own line with a caret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from unicodedata import combining, east_asian_width

from pipeline.diagnostic import Diagnostic, Position, Severity
from pipeline.language.problems import printable
from pipeline.language.tree import split_lines

_MAX_LINE = 160


def render(diagnostics: Sequence[Diagnostic], sources: Mapping[str, bytes]) -> str:
    """All diagnostics one after the other, then the ending line; "" for none.

    `sources` maps the file names of positions to their bytes; a diagnostic of a file that is not there is shown
    without its line.
    """
    lines = {file: _lines(text) for file, text in sources.items()}
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
    block += _excerpt(position, lines, diagnostic.note, is_secret=diagnostic.code == "secret-in-clear")
    for words, place in diagnostic.related:
        block.append(f"  {place}: {words}")
        block += _excerpt(place, lines, "", is_secret=False)
    return block


def _excerpt(position: Position, lines: Mapping[str, Sequence[str]], note: str, *, is_secret: bool) -> list[str]:
    text = lines.get(position.file, ())
    if not 0 < position.line <= len(text):
        return [f"      = {note}"] if note else []
    line = text[position.line - 1]
    start = min(position.column - 1, len(line))
    length = max(1, min(position.length, len(line) - start))
    if is_secret:
        line = line[: start + 4] + "*" * max(length - 4, 0) + line[start + length :]
    line = "\t".join(printable(piece) for piece in line.split("\t"))
    if len(line) > _MAX_LINE:
        cut = max(0, start - 40)
        line = line[cut : cut + _MAX_LINE - 1] + "…"
        start -= cut
        length = max(1, min(length, len(line) - start))
    gutter = f"{position.line:>5}"
    # what stands before the caret keeps its tabs, so that the caret stands below the word in any terminal
    before = "".join("\t" if letter == "\t" else " " * _width(letter) for letter in line[:start])
    carets = "^" * sum(_width(letter) for letter in line[start : start + length]) or "^"
    return [f"{gutter} | {line}".rstrip(), f"{' ' * len(gutter)} | {before}{carets} {note}".rstrip()]


def _width(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1


def _lines(text: bytes) -> list[str]:
    lines = split_lines(text.decode("utf-8-sig", "replace"))
    return lines if lines[-1] else lines[:-1]
