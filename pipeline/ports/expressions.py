"""Expressions: CEL text over the facts of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from pipeline.model.value import Value

Digest: TypeAlias = Callable[[Sequence[str]], str]
"""What `hash(globs…)` gives for the files of the source that match."""


class Expressions(Protocol):
    """Compiles and evaluates expressions; safe for several threads.

    Facts are nested mappings: `event`, `branch`, `tag`, `commit.{sha,short,message,author,time}`, `changed`,
    `run.{id,number}`, `variables`, `matrix`, `environment`, `stages.<name>.{conclusion,outputs,cells}`.
    """

    def problem(self, text: str, *, condition: bool) -> str | None:
        """Why the text cannot be an expression over these facts (it must give a bool for a condition), or None."""

    def names(self, text: str) -> frozenset[str]:
        """Dotted facts that the text reads, such as `branch` or `stages.unit.conclusion`."""

    def evaluate(self, text: str, facts: Mapping[str, Value], *, digest: Digest | None = None) -> Value:
        """The value; raises UsageError naming the expression when it fails or runs out of its budget.

        Without `digest` an expression that calls `hash` fails.
        """
