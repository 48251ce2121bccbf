"""Expressions of a file: where they may stand, whether they parse, and whether what they read exists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from pipeline.diagnostic import Position
from pipeline.language.build import bare
from pipeline.language.facts import Names, unknown_facts
from pipeline.language.graph import Graph, ancestors
from pipeline.language.places import dotted, owner
from pipeline.language.problems import Problems
from pipeline.language.tree import Path
from pipeline.language.values import Found
from pipeline.model.template import OPEN, Expr, parts
from pipeline.ports.expressions import Expressions

_SHELL_KEYS = frozenset({"commands", "after", "shell", "command"})


class Reads(NamedTuple):
    """An expression of one stage that reads another one."""

    stage: str
    other: str
    place: Position


def check_expressions(checker: Checker, found: Iterable[Found], conditions: Iterable[Found]) -> set[Path]:
    """Report everything wrong with the expressions of a file; returns the paths whose values must not be used."""
    bad: set[Path] = set()
    for item in found:
        if not checker.value(item):
            bad.add(item.path)
    for item in conditions:
        if not checker.condition(item):
            bad.add(item.path)
    return bad


def check_reads(reads: Iterable[Reads], graph: Graph, problems: Problems) -> None:
    """Report stages that read one that need not be done before them."""
    known: dict[str, frozenset[str]] = {}
    for stage, other, place in reads:
        if stage not in known:
            known[stage] = ancestors(graph, stage)
        if other not in known[stage]:
            message = f"stage '{stage}' reads stage '{other}', which it does not need: it may not be done by then"
            problems.add("not-needed", message, place, note=f"add '{other}' to its 'needs'")


class Checker:
    """Looks at one expression after the other; `reads` are those that look at other stages."""

    def __init__(self, names: Names, expressions: Expressions, problems: Problems) -> None:
        self._names = names
        self._expressions = expressions
        self._problems = problems
        self.reads: list[Reads] = []

    def value(self, found: Found) -> bool:
        """A text with expressions in it."""
        before = self._problems.errors
        if found.label == "never":
            self._misplaced(found)
            return False
        try:
            pieces = parts(found.node.text)
        except ValueError:
            place = self._problems.source.within(found.node.span, OPEN, found.node.text.count(OPEN) - 1)
            self._problems.add("expression", "'${{' is never closed", place, note="close it with '}}'")
            return False
        expressions = [piece for piece in pieces if isinstance(piece, Expr)]
        for index, piece in enumerate(expressions):
            place = self._problems.source.within(found.node.span, OPEN, index)
            self._one(
                piece.text, found, self._to_line_end(replace(place, length=piece.end - piece.start)), condition=False
            )
        return self._problems.errors == before

    def condition(self, found: Found) -> bool:
        """The key `if`."""
        before = self._problems.errors
        self._one(bare(found.node.text), found, self._problems.source.position(found.node.span), condition=True)
        return self._problems.errors == before

    def _misplaced(self, found: Found) -> None:
        words, below = owner(found.path)
        key = str(below[0]) if below else ""
        place = self._problems.source.within(found.node.span, OPEN, 0)
        if key in _SHELL_KEYS or any(step in _SHELL_KEYS for step in below):
            step = next(str(step) for step in below if step in _SHELL_KEYS)
            message = f"an expression cannot stand in '{step}' of {words}: its text would be run"
            self._problems.add("expression-in-command", message, place, note="put it under 'env' and use the variable")
            return
        subject = f"'{dotted(below)}'" + ("" if words == "the file" else f" of {words}")
        self._problems.add("expression", f"{subject} takes no expression", place)

    def _to_line_end(self, place: Position) -> Position:
        lines = self._problems.source.of(place.file).lines
        if place.line > len(lines):
            return place
        return replace(place, length=max(1, min(place.length, len(lines[place.line - 1]) - place.column + 1)))

    def _one(self, text: str, found: Found, place: Position, *, condition: bool) -> None:
        if not text:
            self._problems.add("expression", "the expression is empty", place)
            return
        names = sorted(self._expressions.names(text))
        unknown = [] if self._problems.partial else list(unknown_facts(names, found, self._names))
        for name, message, note in unknown:
            inside = self._problems.source.within(found.node.span, name, 0)
            self._problems.add("undefined", message, inside if inside.length == len(name) else place, note=note)
        if unknown:
            return
        self._note_reads(names, found)
        problem = self._expressions.problem(text, condition=condition)
        if problem is not None:
            shown = " ".join(text.split())
            shown = shown if len(shown) <= 80 else shown[:77] + "…"
            words, _, note = problem.partition("; ")
            self._problems.add("expression", f"in the expression '{shown}': {words}", place, note=note)

    def _note_reads(self, names: Iterable[str], found: Found) -> None:
        """Remember which other stages a stage reads: it must need them."""
        if found.path[0] != "stages":
            return
        for name in names:
            root, _, rest = name.partition(".")
            first = rest.partition(".")[0].lstrip("?")
            if root == "stages" and first in self._names.stages:
                place = self._problems.source.within(found.node.span, f"stages.{first}", 0)
                self.reads.append(Reads(str(found.path[1]), first, place))
