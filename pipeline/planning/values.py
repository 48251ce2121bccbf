"""Puts values in the place of expressions, now or, where they need what only the run knows, later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.model.definition import (
    CacheRule,
    ConcurrencyRule,
    EnvironmentDefinition,
    NotifyRule,
    ServiceDefinition,
    StageDefinition,
    When,
)
from pipeline.model.template import OPEN, Expr, has_expression, literal, parts
from pipeline.model.value import Options, Value
from pipeline.planning.evaluation import Evaluation, is_late
from pipeline.planning.hashes import settled, settled_expression
from pipeline.planning.typed import put_typed


class Resolver:
    """Resolves values by an evaluation. With `late=False` values that need late facts are kept as text and counted.

    What an expression gave is never evaluated again: a commit message may hold `${{ … }}`, and is somebody else's
    text. Where values are resolved once more during the run, such a text is kept as one that gives it, and counted.
    """

    def __init__(self, evaluation: Evaluation, *, late: bool) -> None:
        self._evaluation = evaluation
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
        pieces = pieces_of(text)
        if not self._late and self._evaluation.is_late(text, pieces):
            self.deferred = True
            return settled(text, self._evaluation.digest)
        if len(pieces) == 1 and isinstance(pieces[0], Expr):
            return self._final(self._evaluation.value(pieces[0].text))
        return self._final(
            "".join(piece if isinstance(piece, str) else _spell(self._evaluation.value(piece.text)) for piece in pieces)
        )

    def _final(self, value: Value) -> Value:
        """What an expression gave, in a form that gives the same when it is resolved again."""
        if self._late or not any(expressions_in(value)):
            return value
        self.deferred = True
        return _literally(value)

    def condition(self, text: str) -> str:
        """A condition as it can be judged: one for the run without calls of `hash`."""
        if "hash" in text and not self._late and any(is_late(name) for name in self._evaluation.names(text)):
            return settled_expression(text, self._evaluation.digest)
        return text

    def deep(self, value: Value) -> Value:
        """Every text in a nested value."""
        if isinstance(value, str):
            return self.value(value)
        if isinstance(value, Mapping):
            return {key: self.deep(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return tuple(self.deep(item) for item in value)
        return value

    def stage(self, stage: StageDefinition, keys: Sequence[str]) -> StageDefinition:
        """A stage with the values under `keys` resolved (see `keys_with_expressions`)."""
        return self.filled(fields_of(stage), keys, {}) if keys or stage.typed else stage

    def shared(self, stage: StageDefinition, keys: Sequence[str]) -> StageDefinition:
        """A stage with the values under `keys` resolved; those that have to be typed stay."""
        return replace(stage, **{key: self._under(key, getattr(stage, key)) for key in keys}) if keys else stage

    def filled(self, stage: Mapping[str, Any], keys: Sequence[str], changes: Mapping[str, Any]) -> StageDefinition:
        """As `stage`, from its fields (`fields_of`) and what is other in it."""
        resolved = {key: self._under(key, stage[key]) for key in keys}
        made = StageDefinition(**{**stage, **changes, **resolved})
        return put_typed(made, self) if made.typed else made

    def _under(self, key: str, value: Any) -> Any:
        """A stage's value; what goes wrong is said with its key."""
        try:
            return _STAGE[key](self, value)
        except UsageError as error:
            raise UsageError(f"'{key}': {error.message}", hint=error.hint) from error

    def environment(self, environment: EnvironmentDefinition) -> EnvironmentDefinition:
        """An environment with its values resolved."""
        resolved = replace(
            environment,
            target=self.options(environment.target),
            configuration=self.mapping(environment.configuration),
            url=self.text(environment.url),
            registry=self.text(environment.registry),
            verification=tuple(self.options(check) for check in environment.verification),
            supervision=tuple(self.options(sink) for sink in environment.supervision),
            labels=self.mapping(environment.labels),
        )
        return put_typed(resolved, self) if environment.typed else resolved

    def notified(self, rule: NotifyRule) -> NotifyRule:
        """Who is told, with the address resolved."""
        return replace(rule, to=self.text(rule.to))

    def group(self, rule: ConcurrencyRule | None) -> ConcurrencyRule | None:
        """A group with its name resolved."""
        return None if rule is None else replace(rule, group=self.text(rule.group))

    def texts(self, values: Sequence[str]) -> tuple[str, ...]:
        """Each of several texts."""
        return tuple([self.text(value) for value in values])

    def mapping(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Each value of a mapping."""
        return {name: self.text(value) for name, value in values.items()}

    def options(self, options: Options) -> Options:
        """Each value at any depth."""
        return {key: self.deep(value) for key, value in options.items()}


def fields_of(stage: StageDefinition) -> dict[str, Any]:
    """A stage taken apart; many like it are put together from that faster than copied."""
    return {name: getattr(stage, name) for name in _FIELDS}


def keys_with_expressions(stage: StageDefinition) -> tuple[str, ...]:
    """The keys of a stage under which any expression stands, so that others need not be looked at in each cell."""
    keys = [key for key in _STAGE if any(expressions_in(getattr(stage, key)))]
    if "hash" in stage.when.expression and "when" not in keys:
        keys.append("when")
    return tuple(keys)


@lru_cache(maxsize=4096)
def pieces_of(text: str) -> tuple[str | Expr, ...]:
    """`template.parts`, remembered."""
    return parts(text)


def expressions_in(value: object) -> Iterator[str]:
    """The texts with expressions anywhere in a value."""
    if isinstance(value, str):
        if OPEN in value:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from expressions_in(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from expressions_in(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from expressions_in(getattr(value, field.name))


def _when(resolver: Resolver, when: When) -> When:
    return replace(
        when,
        branch=resolver.texts(when.branch),
        tag=resolver.texts(when.tag),
        changed=resolver.texts(when.changed),
        expression=resolver.condition(when.expression),
    )


def _service(resolver: Resolver, service: ServiceDefinition) -> ServiceDefinition:
    return replace(service, image=resolver.text(service.image), env=resolver.mapping(service.env))


def _cache(resolver: Resolver, rule: CacheRule) -> CacheRule:
    return replace(
        rule,
        key=resolver.text(rule.key),
        fallback=resolver.texts(rule.fallback),
        paths=resolver.texts(rule.paths),
    )


_STAGE: Final[Mapping[str, Callable[[Resolver, Any], Any]]] = {
    "image": lambda resolver, image: resolver.text(image),
    "env": Resolver.mapping,
    "user": lambda resolver, user: resolver.text(user),
    "workdir": lambda resolver, workdir: resolver.text(workdir),
    "artifacts": lambda resolver, rules: tuple(
        replace(rule, name=resolver.text(rule.name), paths=resolver.texts(rule.paths)) for rule in rules
    ),
    "reports": lambda resolver, reports: {kind: resolver.texts(paths) for kind, paths in reports.items()},
    "services": lambda resolver, services: tuple(_service(resolver, service) for service in services),
    "when": _when,
    "inputs": Resolver.texts,
    "cache": lambda resolver, rules: tuple(_cache(resolver, rule) for rule in rules),
    "concurrency": Resolver.group,
    "options": Resolver.options,
}
"""Key of a stage to how its value is resolved; commands never hold expressions."""


_FIELDS: Final = tuple(field.name for field in fields(StageDefinition))


def _literally(value: Value) -> Value:
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return {key: _literally(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return tuple(_literally(item) for item in value)
    return value


def _spell(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    noun = "mapping" if isinstance(value, Mapping) else "list"
    raise UsageError(
        f"an expression within a text gives a {noun}, which has no spelling",
        hint="use an expression that gives text, a number or a truth value",
    )
