"""Nodes to plain values under a schema's eye: where it asks for text, the scalar is taken as it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pipeline.language.scalars import resolve
from pipeline.language.schema import Schema
from pipeline.language.tree import Entry, ListNode, MapNode, Node, Path, Scalar
from pipeline.model.template import CLOSE, OPEN

FREE_PREFIX: Final = "x-"
_JSON_TYPES: Final = {bool: "boolean", int: "integer", float: "number", type(None): "null", str: "string"}
_LIST_FORMS: Final = frozenset({"texts", "list"})
_LATE_TYPES: Final = frozenset({"boolean", "integer", "number"})
_ALL: Final[Schema] = {}


class Found(NamedTuple):
    """A scalar that more has to be said about: what its schema calls it, and where it stands."""

    path: Path
    node: Scalar
    label: str
    """The schema's `x-format`, or for a text with an expression whether one may stand there: `yes` or `never`."""


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
    """Paths whose value is one expression where no text is wanted; its type is known when it is evaluated."""


def plain_value(node: Node, schema: Schema, path: Path, reading: Reading, *, may_hold: bool = True) -> Any:
    """The JSON value of a node as the schema wants it read; short forms become lists, `x-` keys are left out."""
    may_hold = may_hold and schema.get("x-expressions") != "never"
    if isinstance(node, ListNode):
        items = schema.get("items", _ALL)
        return [
            plain_value(item, items, (*path, index), reading, may_hold=may_hold)
            for index, item in enumerate(node.items)
        ]
    if schema.get("x-form") in _LIST_FORMS and not _is_empty(node):
        return [plain_value(node, schema.get("items", _ALL), (*path, 0), reading, may_hold=may_hold)]
    if isinstance(node, MapNode):
        return _mapping(node, schema, path, reading, may_hold=may_hold)
    return _scalar(node, schema, path, reading, may_hold=may_hold)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and not node.text and not node.tag


def _mapping(node: MapNode, schema: Schema, path: Path, reading: Reading, *, may_hold: bool) -> dict[str, Any]:
    properties = schema.get("properties", _ALL)
    others = schema.get("additionalProperties")
    has_free_keys = "^x-" in schema.get("patternProperties", _ALL)
    values: dict[str, Any] = {}
    for name, entry in node.entries.items():
        if has_free_keys and name.startswith(FREE_PREFIX):
            continue
        below = properties.get(name, others if isinstance(others, dict) else _ALL)
        values[name] = plain_value(
            entry.value, below if isinstance(below, dict) else _ALL, (*path, name), reading, may_hold=may_hold
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


def _scalar(node: Scalar, schema: Schema, path: Path, reading: Reading, *, may_hold: bool) -> Any:
    kinds = schema.get("type")
    wanted = (kinds,) if isinstance(kinds, str) else tuple(kinds or ())
    value: Any = resolve(node)
    takes_text = not wanted or "string" in wanted
    if wanted and takes_text and not _is_empty(node) and not _fits(value, wanted):
        value = node.text
    if OPEN in node.text:
        value = node.text
        if schema.get("x-format") != "condition":
            reading.expressions.append(Found(path, node, "yes" if may_hold else "never"))
        if (
            may_hold
            and not takes_text
            and _LATE_TYPES.intersection(wanted)
            and node.text.startswith(OPEN)
            and node.text.endswith(CLOSE)
        ):
            reading.late.add(path)
    if isinstance(value, str) and takes_text and "x-format" in schema:
        reading.formats.append(Found(path, node, schema["x-format"]))
    return value


def _fits(value: Any, wanted: tuple[str, ...]) -> bool:
    kind = _JSON_TYPES[type(value)]
    return kind in wanted or (kind == "integer" and "number" in wanted)
