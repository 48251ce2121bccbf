"""Values that the file fixes a type for: what their expressions give is checked before it is believed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from pipeline.diagnostic import Diagnostic, Position
from pipeline.errors import DefinitionError, UsageError
from pipeline.model.definition import EnvironmentDefinition, StageDefinition, TypedExpression, Wanted
from pipeline.model.quantity import seconds, size_in_bytes
from pipeline.model.value import Value

_AS_WRITTEN: Final = frozenset({"options", "target", "verification", "supervision"})
"""Where values stay as a file would have them: kinds and targets read them for themselves."""
_WORDS: Final = {
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a mapping",
}
_FORMATS: Final = {"duration": "a duration such as 30s or 20m", "size": "a size such as 512MiB"}

Holder = TypeVar("Holder", StageDefinition, EnvironmentDefinition)


class Values(Protocol):
    """Works out the value of a text; `deferred` becomes true where that is possible only later."""

    deferred: bool

    def value(self, text: str) -> Value:
        """The value, or the text where it is known only later."""


def put_typed(holder: Holder, values: Values) -> Holder:
    """The stage or environment with its typed values in their places, and those known only later still pending.

    DefinitionError at the place of a value that is not what it must be.
    """
    pending: list[TypedExpression] = []
    before = values.deferred
    for item in holder.typed:
        values.deferred = False
        try:
            value = values.value(item.text)
        except UsageError as error:
            raise wrong(f"'{item.path}': {error.message}", item.position, note=error.hint) from error
        if values.deferred:
            before = True
            pending.append(replace(item, text=value) if isinstance(value, str) else item)
            continue
        holder = _put(holder, item.path.split("."), _checked(value, item))
    values.deferred = before
    return replace(holder, typed=tuple(pending))


def wrong(message: str, position: Position, *, note: str = "") -> DefinitionError:
    """One problem of the file that only planning could find."""
    problem = Diagnostic(code="expression", message=message, position=position, note=note)
    return DefinitionError(f"{position.file} has 1 error", diagnostics=(problem,))


def _checked(value: Value, item: TypedExpression) -> object:
    try:
        return _converted(value, item.wanted, as_written=item.path.split(".")[0] in _AS_WRITTEN)
    except ValueError as error:
        note = "variables and outputs are texts: write int(…), or compare: … == 'true'"
        is_other_type = isinstance(value, str) and "string" not in item.wanted.types
        message = f"'{item.path}' gives {_seen(value)}, and must be {error}"
        raise wrong(message, item.position, note=note if is_other_type else "") from error


def _converted(value: Value, wanted: Wanted, *, as_written: bool) -> object:
    """The value as the model has it; ValueError with what it must be."""
    kind = _kind(value, wanted.types)
    if kind is None:
        raise ValueError(" or ".join(_WORDS[name] for name in wanted.types))
    if kind in ("integer", "number") and isinstance(value, int | float):
        _bounded(value, wanted)
        return int(value) if kind == "integer" else float(value)
    if not isinstance(value, str):
        return value
    if wanted.words and value not in wanted.words:
        raise ValueError(" or ".join(f"'{word}'" for word in wanted.words))
    if wanted.pattern and not re.search(wanted.pattern, value):
        raise ValueError(f"like {wanted.pattern}")
    if wanted.format in _FORMATS:
        try:
            quantity = seconds(value) if wanted.format == "duration" else size_in_bytes(value)
        except ValueError as error:
            raise ValueError(_FORMATS[wanted.format]) from error
        return value if as_written else quantity
    return value


def _kind(value: Value, types: Sequence[str]) -> str | None:
    """The first of the wanted types that a value is of."""
    found: tuple[str, ...]
    if isinstance(value, bool):
        found = ("boolean",)
    elif isinstance(value, int):
        found = ("integer", "number")
    elif isinstance(value, float):
        found = ("integer", "number") if value.is_integer() else ("number",)
    elif isinstance(value, str):
        found = ("string",)
    elif isinstance(value, Mapping):
        found = ("object",)
    else:
        found = ("array",) if value is not None else ()
    return next((name for name in found if name in types), None)


def _bounded(value: float, wanted: Wanted) -> None:
    if wanted.least is not None and value < wanted.least:
        raise ValueError(f"at least {wanted.least:g}")
    if wanted.most is not None and value > wanted.most:
        raise ValueError(f"at most {wanted.most:g}")
    if wanted.above is not None and value <= wanted.above:
        raise ValueError(f"more than {wanted.above:g}")


def _seen(value: Value) -> str:
    if isinstance(value, str):
        return f"the text '{value if len(value) <= 60 else value[:57] + '…'}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "nothing" if value is None else _WORDS["object" if isinstance(value, Mapping) else "array"]


def _put(thing: Any, steps: Sequence[str], value: object) -> Any:
    """A copy of nested values with another one at a path."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if is_dataclass(thing) and not isinstance(thing, type):
        return replace(thing, **{step: _put(getattr(thing, step), rest, value)})
    if isinstance(thing, Mapping):
        return {**thing, step: _put(thing[step], rest, value)}
    index = int(step)
    return (*thing[:index], _put(thing[index], rest, value), *thing[index + 1 :])
