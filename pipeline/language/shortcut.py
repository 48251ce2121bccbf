"""A quick yes: values that are plainly what their schema wants need no validator, which takes long to load.

It never says yes where JSON Schema would say no; whatever it does not understand is left to the validator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.language.schema import Schema
from pipeline.language.values import Late

_TYPE_NAMES: Final[Mapping[type, tuple[str, ...]]] = {
    str: ("string",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    list: ("array",),
    dict: ("object",),
    type(None): ("null",),
}
_IGNORED: Final = frozenset({"description", "title", "examples", "default", "$schema", "$id", "$comment"})


def plainly_valid(value: Any, schema: Any) -> bool:
    """Whether the value fits for sure; False means that the validator has to say. One that is known only later fits."""
    if schema is True or type(value) is Late:
        return True
    if not isinstance(schema, dict):
        return False
    for keyword, wanted in schema.items():
        check = _CHECKS.get(keyword)
        if check is None:
            if keyword in _IGNORED or keyword.startswith("x-"):
                continue
            return False
        if not check(value, wanted, schema):
            return False
    return True


def _type(value: Any, wanted: Any, _schema: Schema) -> bool:
    names = _TYPE_NAMES.get(type(value), ())
    if isinstance(wanted, str):
        return wanted in names
    return any(name in wanted for name in names)


def _properties(value: Any, wanted: Any, schema: Schema) -> bool:
    if not isinstance(value, dict):
        return True
    others = schema.get("additionalProperties", True)
    free = "^x-" in schema.get("patternProperties", ())
    for key, item in value.items():
        below = wanted.get(key)
        if below is None:
            if free and key.startswith("x-"):
                continue
            below = others
        if below is not True and not plainly_valid(item, below):
            return False
    return True


def _other_properties(value: Any, wanted: Any, schema: Schema) -> bool:
    if "properties" in schema:
        return True  # judged there
    return _properties(value, {}, schema) if isinstance(value, dict) else wanted is not None


def _free_properties(_value: Any, wanted: Any, _schema: Schema) -> bool:
    return bool(wanted == {"^x-": True})


def _names(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, dict) or all(plainly_valid(key, wanted) for key in value)


def _required(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, dict) or all(key in value for key in wanted)


def _items(value: Any, wanted: Any, schema: Schema) -> bool:
    if "prefixItems" in schema:
        return False
    return not isinstance(value, list) or all(plainly_valid(item, wanted) for item in value)


def _enum(value: Any, wanted: Any, _schema: Schema) -> bool:
    return isinstance(value, str) and value in wanted


def _const(value: Any, wanted: Any, _schema: Schema) -> bool:
    return type(value) is type(wanted) and isinstance(value, str | int) and bool(value == wanted)


def _pattern(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, str) or re.search(wanted, value) is not None


def _minimum(value: Any, wanted: Any, _schema: Schema) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float) or value >= wanted


def _maximum(value: Any, wanted: Any, _schema: Schema) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float) or value <= wanted


def _above(value: Any, wanted: Any, _schema: Schema) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float) or value > wanted


def _long_enough(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, str) or len(value) >= wanted


def _unique(value: Any, wanted: Any, _schema: Schema) -> bool:
    if not isinstance(value, list) or wanted is not True:
        return not isinstance(value, list)
    return all(isinstance(item, str) for item in value) and len(set(value)) == len(value)


def _at_least_items(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, list) or len(value) >= wanted


def _at_most_items(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, list) or len(value) <= wanted


def _short_enough(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, str) or len(value) <= wanted


def _at_least_keys(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, dict) or len(value) >= wanted


def _at_most_keys(value: Any, wanted: Any, _schema: Schema) -> bool:
    return not isinstance(value, dict) or len(value) <= wanted


_CHECKS: Final[Mapping[str, Callable[[Any, Any, Schema], bool]]] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _other_properties,
    "patternProperties": _free_properties,
    "propertyNames": _names,
    "required": _required,
    "items": _items,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minimum": _minimum,
    "maximum": _maximum,
    "exclusiveMinimum": _above,
    "minLength": _long_enough,
    "maxLength": _short_enough,
    "uniqueItems": _unique,
    "minItems": _at_least_items,
    "maxItems": _at_most_items,
    "minProperties": _at_least_keys,
    "maxProperties": _at_most_keys,
}
"""Keyword to its check, which gets the value, what the keyword wants, and the schema around it."""
