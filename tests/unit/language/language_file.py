"""Reads pipeline texts with the shipped schemas, and kinds that know nothing beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.errors import DefinitionError
from pipeline.expressions.cel import CelExpressions
from pipeline.language.diagnostics import render
from pipeline.language.load import load_definition
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.value import Value
from pipeline.ports.stage import Reuse, StageContext, StageResult

FILE = "pipeline.yml"
EXPRESSIONS = CelExpressions()
HEAD = "version: 1\nname: shop\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaKind:
    """A stage kind that is its schema and nothing else; it cannot run."""

    name: str
    version: int = 1
    reuse: Reuse = Reuse.NEVER
    effects: bool = False

    def schema(self) -> Mapping[str, Value]:
        """The shipped schema of that name."""
        return schemas.load(f"stages/{self.name}")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """None."""
        return ()

    def run(self, context: StageContext) -> StageResult:
        """Never asked for."""
        raise AssertionError(f"kind {self.name} of a language test was run")


KINDS = {
    name: SchemaKind(name=name) for name in ("build", "checkout", "deploy", "push", "run", "scan", "smoke", "test")
}


def load(text: str) -> Definition:
    """The definition of a text that has no errors."""
    return load_definition(text.encode(), file=FILE, kinds=KINDS, expressions=EXPRESSIONS)[0]


def said(text: str | bytes) -> str:
    """Everything that is said about a text, as the command prints it."""
    data = text.encode() if isinstance(text, str) else text
    try:
        _, diagnostics = load_definition(data, file=FILE, kinds=KINDS, expressions=EXPRESSIONS)
    except DefinitionError as error:
        diagnostics = error.diagnostics
    return render(diagnostics, {FILE: data})
