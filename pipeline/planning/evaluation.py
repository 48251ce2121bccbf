"""Evaluates expressions over the facts of one stage or environment; what many cells ask alike is worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pipeline.model.template import Expr
from pipeline.model.value import Value
from pipeline.ports.expressions import Digest, Expressions

Facts: TypeAlias = Callable[[frozenset[str]], Mapping[str, Value]]
"""The facts of these names, and maybe more."""

LATE: Final = ("stages", "run")
"""Facts that exist only during the run."""
_OWN: Final = ("matrix", "environment")
"""Facts that differ from stage to stage."""


def is_late(name: str) -> bool:
    """Whether a dotted fact is known only during the run."""
    return name.split(".", 1)[0] in LATE


@dataclass(kw_only=True, slots=True)
class Memory:
    """What expressions gave over facts that stay as they are."""

    values: dict[tuple[str, ...], Value] = field(default_factory=dict)
    """By the expression with all of a stage that it reads."""
    own: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Expression to the facts of a stage that it reads."""
    late: dict[str, bool] = field(default_factory=dict)
    """Text to whether an expression in it needs what only the run knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Expressions over the facts that all share, with those of one stage: its cell, and its environment's name.

    `memory` is given where the shared facts stay as they are.
    """

    expressions: Expressions
    facts: Facts
    digest: Digest | None = None
    cell: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    memory: Memory | None = None

    def names(self, text: str) -> frozenset[str]:
        """The facts that an expression reads."""
        return self.expressions.names(text)

    def value(self, text: str) -> Value:
        """What an expression gives; UsageError where it fails."""
        if self.memory is None:
            return self._evaluate(text)
        own = self.memory.own.get(text)
        if own is None:
            names = sorted(self.expressions.names(text))
            own = self.memory.own[text] = tuple(name for name in names if name.startswith(_OWN))
        key = self._key(text, own)
        if key not in self.memory.values:
            self.memory.values[key] = self._evaluate(text)
        return self.memory.values[key]

    def is_late(self, text: str, pieces: Sequence[str | Expr]) -> bool:
        """Whether a text of these pieces needs what only the run knows."""
        known = self.memory.late.get(text) if self.memory else None
        if known is None:
            known = any(is_late(name) for piece in pieces if isinstance(piece, Expr) for name in self.names(piece.text))
            if self.memory:
                self.memory.late[text] = known
        return known

    def own_facts(self, names: frozenset[str]) -> Mapping[str, Value]:
        """The facts with those of this stage."""
        facts = dict(self.facts(names))
        facts["matrix"] = self.cell
        if self.environment:
            facts["environment"] = self.environment
        return facts

    def _evaluate(self, text: str) -> Value:
        names = self.expressions.names(text)
        return self.expressions.evaluate(text, self.own_facts(names), digest=self.digest)

    def _key(self, text: str, own: tuple[str, ...]) -> tuple[str, ...]:
        """The expression with all of this stage that it reads."""
        key = [text]
        for name in own:
            root, _, item = name.partition(".")
            if root == "environment":
                key.append(self.environment)
            elif item:
                key.append(repr(self.cell.get(item.lstrip("?"))))
            else:
                key.append(repr(sorted(self.cell.items())))
        return tuple(key)
