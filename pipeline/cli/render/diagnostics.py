"""Problems of a file as a good compiler shows them: place, words, the line itself and a caret."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, line
from pipeline.cli.render.words import count
from pipeline.diagnostic import Diagnostic, Position, Severity

_ROLES = {Severity.ERROR: "failed", Severity.WARNING: "warned", Severity.HINT: "accent"}

Source = Callable[[str], Sequence[str]]
"""File name as in a position → its lines; none for a file that is not at hand."""


def source_of(texts: Mapping[str, bytes]) -> Source:
    """Lines of texts that were read, by the name under which positions know them."""
    known = {name: text.decode("utf-8", "replace").splitlines() for name, text in texts.items()}
    return lambda file: known.get(file, ())


def diagnostic_lines(diagnostics: Sequence[Diagnostic], read: Source) -> list[Line]:
    """Every problem with its caret, in the order given."""
    lines: list[Line] = []
    for problem in diagnostics:
        lines.append(
            line((f"{problem.position} ", "bold"), (problem.severity.value, _ROLES[problem.severity]))
            + line(f": {one_line(problem.message)}")
        )
        lines += _excerpt(problem.position, problem.note, _ROLES[problem.severity], read)
        for words, place in problem.related:
            lines.append(line((f"{place} ", "bold"), one_line(words)))
            lines += _excerpt(place, "", "accent", read)
    return lines


def verdict(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`; "" where there is nothing to say."""
    counted = [(item, sum(problem.severity is item for problem in diagnostics)) for item in Severity]
    return ", ".join(count(number, item.value) for item, number in counted if number)


def _excerpt(place: Position, note: str, role: str, read: Source) -> list[Line]:
    rows = read(place.file)
    if not 1 <= place.line <= len(rows):
        return [line(("    " + note, role))] if note else []
    row = "".join(character if character.isprintable() else " " for character in rows[place.line - 1])
    gutter = f"{place.line:>5} | "
    before = row[: place.column - 1]
    carets = "^" * max(min(place.length, len(row) - len(before)), 1)
    blank = " " * len(gutter[:-2]) + "| " + " " * _cells(before)
    return [
        line((gutter, "dim"), row),
        line((blank[: len(gutter)], "dim"), blank[len(gutter) :], (carets + (f" {note}" if note else ""), role)),
    ]


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
