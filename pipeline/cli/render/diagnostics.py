"""Problems of a file as a good compiler shows them: place, words, the line itself and a caret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, line
from pipeline.cli.render.words import count
from pipeline.diagnostic import Diagnostic, Position, Severity
from pipeline.language.diagnostics import excerpt, lines_of

_ROLES = {Severity.ERROR: "failed", Severity.WARNING: "warned", Severity.HINT: "accent"}


def diagnostic_lines(diagnostics: Sequence[Diagnostic], sources: Mapping[str, bytes]) -> list[Line]:
    """Every problem with its caret, in the order given; `sources` has files by the names that positions use."""
    rows = lines_of(sources, diagnostics)
    lines: list[Line] = []
    for problem in diagnostics:
        lines.append(
            line((f"{problem.position} ", "bold"), (problem.severity.value, _ROLES[problem.severity]))
            + line(f": {one_line(problem.message)}")
        )
        lines += _excerpt(problem.position, problem.note, _ROLES[problem.severity], rows)
        for words, place in problem.related:
            lines.append(line((f"{place} ", "bold"), one_line(words)))
            lines += _excerpt(place, "", "accent", rows)
    return lines


def verdict(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`; "" where there is nothing to say."""
    counted = [(item, sum(problem.severity is item for problem in diagnostics)) for item in Severity]
    return ", ".join(count(number, item.value) for item, number in counted if number)


def _excerpt(place: Position, note: str, role: str, rows: Mapping[str, Sequence[str]]) -> list[Line]:
    found = excerpt(place, rows.get(place.file, ()))
    if found is None:
        return [line(("    " + note, role))] if note else []
    blank = " " * len(found.gutter) + " | "
    return [
        line((f"{found.gutter} | ", "dim"), found.line),
        line((blank, "dim"), found.before, (found.carets + (f" {note}" if note else ""), role)),
    ]
