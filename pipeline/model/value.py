"""Plain JSON-like values and their canonical digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from itertools import compress
from json.encoder import encode_basestring as _quoted
from operator import attrgetter, is_not, itemgetter
from types import NoneType, UnionType
from typing import Any, Final, ForwardRef, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

Value: TypeAlias = "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | None"
Options: TypeAlias = Mapping[str, Value]


_PLAIN: Final = frozenset({str, int, float, bool, NoneType})
_FIELDS: Final[dict[type, tuple[str, ...]]] = {}
_SHAPES: Final[dict[type, _Shape | None]] = {}


_WORDS: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda value: "true" if value else "false",
    int: repr,
    float: lambda value: json.dumps(value, allow_nan=False),
    NoneType: lambda _value: "null",
}


def to_value(thing: object) -> Value:
    """Turn dataclasses, enums, times, mappings, sets and tuples into what JSON can hold; keys keep their order."""
    kind = type(thing)
    if kind in _PLAIN:
        return thing  # type: ignore[return-value]
    if kind is tuple or kind is list:
        return [to_value(item) for item in thing]  # type: ignore[attr-defined]
    if kind is dict:
        return {str(key): to_value(item) for key, item in thing.items()}  # type: ignore[attr-defined]
    names = _field_names(kind)
    if names:
        return {name: to_value(getattr(thing, name)) for name in names}
    return _unusual(thing)


def _unusual(thing: object) -> Value:
    if isinstance(thing, Enum):
        return to_value(thing.value)
    if isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, date):  # a datetime is one
        return thing.isoformat()
    if isinstance(thing, Mapping):
        return {str(key): to_value(item) for key, item in thing.items()}
    if isinstance(thing, set | frozenset):
        return sorted((to_value(item) for item in thing), key=repr)
    if isinstance(thing, Sequence) and not isinstance(thing, bytes | bytearray):
        return [to_value(item) for item in thing]
    if is_dataclass(thing) and not isinstance(thing, type):
        return {}
    raise TypeError(f"{type(thing).__name__} has no JSON form")


def _field_names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass, nothing for other types; asking each time is slow."""
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
    return names


def canonical(thing: object) -> bytes:
    """The one JSON spelling of a value: sorted keys, no white space, UTF-8.

    Equal to RFC 8785 but for floats (`1.0` stays `1.0`) and integers beyond 2^53 - 1: nothing that others have to check
    has any. What occurs in many places of the value, as in the cells of a matrix, is spelled once.
    """
    return _Spelling().of(thing).encode()


class _Spelling:
    """Spells one value. What it knows goes by identity: all of it lives as long as the whole value."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}
        self._last: dict[type, tuple[tuple[Any, ...], list[str]]] = {}
        """Of each dataclass the values of the last one, and their spellings: the next one is often much like it."""

    def of(self, thing: Any) -> str:
        """The spelling of a part of the value."""
        known, kind = self._known, type(thing)
        if kind is str:
            text = _quoted(thing)
        elif kind in _WORDS:
            text = _WORDS[kind](thing)
        elif kind is tuple or kind is list:
            text = f"[{','.join([known.get(id(item)) or self.of(item) for item in thing])}]"
        elif kind is dict:
            pairs = [f"{_quoted(key)}:{known.get(id(item)) or self.of(item)}" for key, item in _by_key(thing)]
            text = f"{{{','.join(pairs)}}}"
        elif shape := _shape(kind):
            text = f"{{{','.join(self._fields(shape, kind, thing))}}}"
        else:
            text = _Spelling().of(_unusual(thing))  # its plain form is gone afterwards
        known[id(thing)] = text
        return text

    def _fields(self, shape: _Shape, kind: type, thing: Any) -> list[str]:
        values = shape.values(thing)
        changed: Iterable[int]
        if kind in self._last:
            before, spelled = self._last[kind]
            pairs = spelled.copy()
            changed = compress(range(len(values)), map(is_not, values, before))
        else:
            pairs = [""] * len(values)
            changed = range(len(values))
        for index in changed:
            item = values[index]
            pairs[index] = shape.quoted[index] + (self._known.get(id(item)) or self.of(item))
        self._last[kind] = (values, pairs)
        return pairs


def _by_key(thing: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """In the order of UTF-16, which is that of code points for nearly everything."""
    pairs = [(str(key), item) for key, item in thing.items()]
    if all(key.isascii() for key, _ in pairs):
        return sorted(pairs, key=itemgetter(0))
    return sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass"))


class _Shape(NamedTuple):
    """The fields of a dataclass in the order of their names: how each is spelled, and all their values at once."""

    quoted: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]


def _shape(kind: type) -> _Shape | None:
    """None for types that are no dataclass with fields."""
    if kind not in _SHAPES:
        names = sorted(_field_names(kind))
        # attrgetter gives a tuple only for two names or more
        values = attrgetter(*names) if len(names) > 1 else lambda thing: tuple(getattr(thing, name) for name in names)
        _SHAPES[kind] = _Shape(tuple(f"{_quoted(name)}:" for name in names), values) if names else None
    return _SHAPES[kind]


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
        if value is None or (len(chosen) > 1 and not all(is_dataclass(item) for item in chosen)):
            return value
        return _built(_closest(chosen, value), value, path, names)
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
    if origin is not None:
        return _collection(origin, get_args(hint), value, path, names)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is datetime or hint is date:
        return hint.fromisoformat(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint):
        raise ValueError(f"{path}: {value!r} is no {hint.__name__}")  # noqa: TRY004 - a broken record, no wrong call
    return value


def _collection(origin: Any, inner: tuple[Any, ...], value: Any, path: str, names: Mapping[str, type]) -> Any:
    if issubclass(origin, Mapping):
        return {key: _built(inner[1], item, f"{path}.{key}", names) for key, item in value.items()}
    if origin is tuple and inner[-1] is not Ellipsis:
        kinds = dict(enumerate(inner))
        return tuple(_built(kinds[at], item, f"{path}[{at}]", names) for at, item in enumerate(value) if at in kinds)
    return origin(_built(inner[0], item, f"{path}[{index}]", names) for index, item in enumerate(value))


def _closest(kinds: Sequence[Any], value: Any) -> Any:
    """Of several dataclasses the one whose fields the value has: most of them, and fewest others."""
    if len(kinds) == 1 or not isinstance(value, Mapping):
        return kinds[0]
    return min(kinds, key=lambda kind: len(set(_field_names(kind)) ^ set(value)))


_HINTS: dict[type, Mapping[str, Any]] = {}
_ALIASES: Mapping[str, Any] = {"Sequence": Sequence, "Mapping": Mapping, "Value": Any}
"""What the alias `Value` names, wherever it is used."""


def _hints(kind: type, names: Mapping[str, type]) -> Mapping[str, Any]:
    """Types of a dataclass's fields; resolving them is slow."""
    if kind not in _HINTS:
        _HINTS[kind] = get_type_hints(kind, localns={**_ALIASES, **names})
    return _HINTS[kind]
