"""Plain JSON-like values and their canonical digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, ForwardRef, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

Value: TypeAlias = "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | None"
Options: TypeAlias = Mapping[str, Value]


def to_value(thing: object) -> Value:
    """Turn dataclasses, enums, times, mappings, sets and tuples into what JSON can hold; keys keep their order."""
    if thing is None or (isinstance(thing, bool | int | float | str) and not isinstance(thing, Enum)):
        return thing
    if isinstance(thing, Enum):
        return to_value(thing.value)
    if isinstance(thing, datetime):
        return thing.isoformat()
    if is_dataclass(thing) and not isinstance(thing, type):
        return {field.name: to_value(getattr(thing, field.name)) for field in fields(thing)}
    if isinstance(thing, Mapping):
        return {str(key): to_value(item) for key, item in thing.items()}
    if isinstance(thing, set | frozenset):
        return sorted((to_value(item) for item in thing), key=repr)
    if isinstance(thing, Sequence) and not isinstance(thing, bytes | bytearray):
        return [to_value(item) for item in thing]
    raise TypeError(f"{type(thing).__name__} has no JSON form")


def canonical(thing: object) -> bytes:
    """The one JSON spelling of a value: sorted keys, no white space, UTF-8.

    Equal to RFC 8785 for values without floats and with keys in the basic plane, which is all that Écluse digests.
    """
    return json.dumps(
        to_value(thing), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_of(thing: object) -> str:
    """`sha256:…` over the canonical JSON of a value."""
    return "sha256:" + hashlib.sha256(canonical(thing)).hexdigest()


Noun = TypeVar("Noun")


def from_value(kind: type[Noun], value: object, *, names: Mapping[str, type] | None = None) -> Noun:
    """What `to_value` took apart, put together again by the types of a dataclass's fields.

    Fields that are missing get their defaults, those that the class does not have are left out: a record of an older
    or newer program can still be read. `names` are types that a dataclass names without importing them at run time.
    ValueError names the path of what cannot be read.
    """
    built: Noun = _built(kind, value, kind.__name__, names or {})
    return built


def _built(hint: Any, value: Any, path: str, names: Mapping[str, type]) -> Any:
    origin = get_origin(hint)
    if hint in (Options, Value, Any) or isinstance(hint, str | ForwardRef):
        return value
    if origin in (Union, UnionType):
        chosen = [item for item in get_args(hint) if item is not NoneType]
        return value if value is None or len(chosen) > 1 else _built(chosen[0], value, path, names)
    if isinstance(hint, type) and is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ValueError(f"{path}: {value!r} is no mapping")
        hints = _hints(hint, names)
        known = {
            name: _built(hints[name], item, f"{path}.{name}", names) for name, item in value.items() if name in hints
        }
        try:
            return hint(**known)
        except TypeError as error:
            raise ValueError(f"{path}: {error}") from error
    if origin is tuple:
        return tuple(_built(get_args(hint)[0], item, f"{path}[{index}]", names) for index, item in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        return {key: _built(get_args(hint)[1], item, f"{path}.{key}", names) for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint):
        raise ValueError(f"{path}: {value!r} is no {hint.__name__}")  # noqa: TRY004 - a broken record, no wrong call
    return value


_HINTS: dict[type, Mapping[str, Any]] = {}
_ALIASES: Mapping[str, Any] = {"Sequence": Sequence, "Mapping": Mapping, "Value": Any}
"""What the alias `Value` names, wherever it is used."""


def _hints(kind: type, names: Mapping[str, type]) -> Mapping[str, Any]:
    """Types of a dataclass's fields; resolving them is slow."""
    if kind not in _HINTS:
        _HINTS[kind] = get_type_hints(kind, localns={**_ALIASES, **names})
    return _HINTS[kind]
