"""Plain JSON-like values and their canonical digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import TypeAlias

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
