"""Nodes to plain values under a schema's eye: where it asks for text, the scalar is taken as it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pipeline.language.scalars import resolve
from pipeline.language.schema import Schema
from pipeline.language.tree import Entry, ListNode, MapNode, Node, Path, Scalar, Span
from pipeline.model.definition import Wanted
from pipeline.model.template import CLOSE, OPEN

FREE_PREFIX: Final = "x-"
_JSON_TYPES: Final = {bool: "boolean", int: "integer", float: "number", type(None): "null", str: "string"}
_LIST_FORMS: Final = frozenset({"texts", "list"})
_LATE_TYPES: Final = frozenset({"boolean", "integer", "number"})
_LATE_FORMATS: Final = frozenset({"duration", "size"})
_ALL: Final[Schema] = {}
_NEVER: Final = "never"


class Late(str):
    """A text with an expression where more than any text is wanted; what it gives is checked when it is evaluated."""

    __slots__ = ("span", "wanted")

    wanted: Wanted
    span: Span


class Found(NamedTuple):
    """A scalar that more has to be said about: what its schema calls it, and where it stands."""

    path: Path
    node: Scalar
    label: str
    """The schema's `x-format`, or for a text with an expression whether one may stand there: `yes`, `never`, or
    `early` where it must be known before the run."""


class Choice(NamedTuple):
    """A mapping that must hold exactly one of some keys."""

    path: Path
    node: MapNode
    keys: tuple[str, ...]


@dataclass(kw_only=True, slots=True)
class Reading:
    """What a walk found beside the values."""

    formats: list[Found] = field(default_factory=list)
    expressions: list[Found] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    late: set[Path] = field(default_factory=set)
    """Paths of values that are `Late`."""


def plain_value(node: Node, schema: Schema, path: Path, reading: Reading, *, holds: str = "yes") -> Any:
    """The JSON value of a node as the schema wants it read; short forms become lists, `x-` keys are left out.

    `holds` is whether expressions may stand there: what the schema's nearest `x-expressions` says.
    """
    holds = schema.get("x-expressions", holds)
    if isinstance(node, ListNode):
        items = schema.get("items", _ALL)
        return [plain_value(item, items, (*path, index), reading, holds=holds) for index, item in enumerate(node.items)]
    if schema.get("x-form") in _LIST_FORMS and not _is_empty(node):
        return [plain_value(node, schema.get("items", _ALL), (*path, 0), reading, holds=holds)]
    if isinstance(node, MapNode):
        return _mapping(node, schema, path, reading, holds=holds)
    return _scalar(node, schema, path, reading, holds=holds)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and not node.text and not node.tag


def _mapping(node: MapNode, schema: Schema, path: Path, reading: Reading, *, holds: str) -> dict[str, Any]:
    properties = schema.get("properties", _ALL)
    others = schema.get("additionalProperties")
    has_free_keys = "^x-" in schema.get("patternProperties", _ALL)
    values: dict[str, Any] = {}
    for name, entry in node.entries.items():
        if has_free_keys and name.startswith(FREE_PREFIX):
            continue
        below = properties.get(name, others if isinstance(others, dict) else _ALL)
        values[name] = plain_value(
            entry.value, below if isinstance(below, dict) else _ALL, (*path, name), reading, holds=holds
        )
        if "propertyNames" in schema:
            check_name(entry, schema["propertyNames"], (*path, name), reading)
    if "x-one-of" in schema:
        reading.choices.append(Choice(path, node, tuple(schema["x-one-of"])))
    return values


def check_name(entry: Entry, schema: Schema, path: Path, reading: Reading) -> None:
    """Note a key that does not look as the schema's `propertyNames` want it."""
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern, entry.key.text):
        reading.formats.append(Found(path, entry.key, f"key:{schema.get('x-format', 'name')}"))


def _scalar(node: Scalar, schema: Schema, path: Path, reading: Reading, *, holds: str) -> Any:
    kinds = schema.get("type")
    wanted = (kinds,) if isinstance(kinds, str) else tuple(kinds or ())
    value: Any = resolve(node)
    takes_text = not wanted or "string" in wanted
    if wanted and takes_text and not _is_empty(node) and not _fits(value, wanted):
        value = node.text
    if OPEN in node.text:
        value = node.text
        if schema.get("x-format") != "condition":
            reading.expressions.append(Found(path, node, holds))
        if holds != _NEVER and _is_late(node.text, schema, wanted, takes_text=takes_text):
            reading.late.add(path)
            value = _late(node, schema, wanted)
    if isinstance(value, str) and takes_text and "x-format" in schema:
        reading.formats.append(Found(path, node, schema["x-format"]))
    return value


def _is_late(text: str, schema: Schema, wanted: tuple[str, ...], *, takes_text: bool) -> bool:
    """Whether what the expressions give has to be looked at: it must be no text, or not just any text."""
    if not takes_text:
        return bool(_LATE_TYPES.intersection(wanted)) and text.startswith(OPEN) and text.endswith(CLOSE)
    return "enum" in schema or "pattern" in schema or schema.get("x-format") in _LATE_FORMATS


def _late(node: Scalar, schema: Schema, wanted: tuple[str, ...]) -> Late:
    value = Late(node.text)
    value.span = node.span
    value.wanted = Wanted(
        types=wanted,
        format=schema.get("x-format", ""),
        words=tuple(schema.get("enum", ())),
        pattern=schema.get("pattern", ""),
        least=schema.get("minimum"),
        most=schema.get("maximum"),
        above=schema.get("exclusiveMinimum"),
    )
    return value


def _fits(value: Any, wanted: tuple[str, ...]) -> bool:
    kind = _JSON_TYPES[type(value)]
    return kind in wanted or (kind == "integer" and "number" in wanted)
