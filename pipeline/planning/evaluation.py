"""Evaluates expressions over the facts of one stage or environment; what many cells ask alike is worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pipeline.model.value import Value
from pipeline.ports.expressions import Digest, Expressions

Facts: TypeAlias = Callable[[frozenset[str]], Mapping[str, Value]]
"""The facts of these names, and maybe more."""

_OWN = ("matrix", "environment")
"""Facts that differ from stage to stage."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Expressions over the facts that all share, with those of one stage: its cell, and its environment's name.

    `memory` is given where the shared facts stay as they are: results are kept in it.
    """

    expressions: Expressions
    facts: Facts
    digest: Digest | None = None
    cell: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    memory: dict[tuple[str, ...], Value] | None = None

    def names(self, text: str) -> frozenset[str]:
        """The facts that an expression reads."""
        return self.expressions.names(text)

    def value(self, text: str) -> Value:
        """What an expression gives; UsageError where it fails."""
        if self.memory is None:
            return self._evaluate(text)
        key = self._key(text)
        if key not in self.memory:
            self.memory[key] = self._evaluate(text)
        return self.memory[key]

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

    def _key(self, text: str) -> tuple[str, ...]:
        """The expression with all of this stage that it reads."""
        key = [text]
        for name in sorted(name for name in self.expressions.names(text) if name.startswith(_OWN)):
            root, _, item = name.partition(".")
            if root == "environment":
                key.append(self.environment)
            elif item:
                key.append(repr(self.cell.get(item.lstrip("?"))))
            else:
                key.append(repr(sorted(self.cell.items())))
        return tuple(key)
