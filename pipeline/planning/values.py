"""Puts values in the place of expressions, now or, where they need what only the run knows, later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition, ServiceDefinition, StageDefinition
from pipeline.model.template import Expr, has_expression, parts
from pipeline.model.value import Options, Value
from pipeline.ports.expressions import Expressions

LATE = ("stages", "run")
"""Facts that exist only during the run."""


def is_late(name: str) -> bool:
    """Whether a dotted fact is known only during the run."""
    return name.split(".", 1)[0] in LATE


class Resolver:
    """Resolves values against facts. With `late=False` values that need late facts are kept as text and counted."""

    def __init__(
        self, expressions: Expressions, facts: Callable[[frozenset[str]], Mapping[str, Value]], *, late: bool
    ) -> None:
        self._expressions = expressions
        self._facts = facts
        self._late = late
        self.deferred = False

    def text(self, text: str) -> str:
        """A text with every expression replaced; a value that is no text is spelled as in JSON."""
        value = self.value(text)
        return value if isinstance(value, str) else _spell(value)

    def value(self, text: str) -> Value:
        """As `text`, but a text that is one expression keeps its value's type."""
        if not has_expression(text):
            return text
        pieces = parts(text)
        expressions = [piece for piece in pieces if isinstance(piece, Expr)]
        if not self._late and any(
            is_late(name) for piece in expressions for name in self._expressions.names(piece.text)
        ):
            self.deferred = True
            return text
        if len(pieces) == 1:
            return self._evaluate(expressions[0])
        return "".join(piece if isinstance(piece, str) else _spell(self._evaluate(piece)) for piece in pieces)

    def deep(self, value: Value) -> Value:
        """Every text in a nested value."""
        if isinstance(value, str):
            return self.value(value)
        if isinstance(value, Mapping):
            return {key: self.deep(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return tuple(self.deep(item) for item in value)
        return value

    def stage(self, stage: StageDefinition) -> StageDefinition:
        """A stage with its values resolved; commands never hold expressions."""
        return replace(
            stage,
            image=self.text(stage.image) if stage.image is not None else None,
            env=self._mapping(stage.env),
            user=self.text(stage.user) if stage.user else stage.user,
            workdir=self.text(stage.workdir) if stage.workdir else stage.workdir,
            artifacts=tuple(
                replace(rule, name=self.text(rule.name), paths=tuple(map(self.text, rule.paths)))
                for rule in stage.artifacts
            ),
            reports={kind: tuple(map(self.text, paths)) for kind, paths in stage.reports.items()},
            services=tuple(self._service(service) for service in stage.services),
            options=self._options(stage.options),
        )

    def environment(self, environment: EnvironmentDefinition) -> EnvironmentDefinition:
        """An environment with its values resolved."""
        return replace(
            environment,
            target=self._options(environment.target),
            configuration=self._mapping(environment.configuration),
            url=self.text(environment.url),
            verification=tuple(self._options(check) for check in environment.verification),
            supervision=tuple(self._options(sink) for sink in environment.supervision),
            labels=self._mapping(environment.labels),
        )

    def _service(self, service: ServiceDefinition) -> ServiceDefinition:
        return replace(service, image=self.text(service.image), env=self._mapping(service.env))

    def _mapping(self, values: Mapping[str, str]) -> Mapping[str, str]:
        return {name: self.text(value) for name, value in values.items()}

    def _options(self, options: Options) -> Options:
        return {key: self.deep(value) for key, value in options.items()}

    def _evaluate(self, piece: Expr) -> Value:
        return self._expressions.evaluate(piece.text, self._facts(self._expressions.names(piece.text)))


def _spell(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    raise UsageError(
        f"an expression within a text gives {type(value).__name__}, which has no spelling",
        hint="use an expression that gives text, a number or a truth value",
    )
