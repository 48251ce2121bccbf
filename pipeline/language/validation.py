"""JSON Schema's verdict on the values of a file, in a compiler's words and at the file's own places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pipeline.language.formats import PATTERNS
from pipeline.language.habits import elsewhere
from pipeline.language.places import owner, spell
from pipeline.language.problems import Problems, listing, suggestion
from pipeline.language.schema import Schema
from pipeline.language.shortcut import plainly_valid
from pipeline.language.tree import Node, Path, Scalar, entry_at, key_span_at, span_at
from pipeline.language.unsupported import UNSUPPORTED
from pipeline.language.values import FREE_PREFIX, Choice

TYPES: Final[Mapping[str, str]] = {
    "string": "a text",
    "array": "a list",
    "object": "a mapping",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
}


class Validation:
    """Checks one value after the other against its schema; remembers which places are not to be believed."""

    def __init__(self, root: Node, problems: Problems, *, late: set[Path]) -> None:
        self._root = root
        self._problems = problems
        self._late = late
        self.bad: set[Path] = set()
        """Paths whose values must not be used."""
        self._validators: dict[int, Any] = {}

    def check(self, value: Any, schema: Schema, path: Path) -> None:
        """Report everything that the schema has against a value."""
        if plainly_valid(value, schema):
            return
        validator = self._validators.get(id(schema))
        if validator is None:
            validator = self._validators[id(schema)] = _validator(schema)
        for error in validator.iter_errors(value):
            for leaf in _leaves(error):
                self._report(leaf, (*path, *leaf.absolute_path))

    def choices(self, choices: Iterable[Choice]) -> None:
        """Report mappings that hold none or several of the keys of which one is wanted."""
        for path, node, keys in choices:
            written = [key for key in keys if key in node.entries]
            if len(written) > 1:
                words = listing([f"'{key}'" for key in written], conjunction="and")
                self._add("two-choices", f"{spell(path)} has {words}, of which one can stand", path, key=True)
            elif not written:
                words = listing([f"'{key}'" for key in keys])
                self._add("missing-key", f"{spell(path)} needs {words}", path, key=True)

    def _add(self, code: str, message: str, path: Path, *, note: str = "", key: bool = False) -> None:
        span = key_span_at(self._root, path) if key else span_at(self._root, path)
        self._problems.add(code, message, span, note=note)
        self.bad.add(path)

    def _report(self, error: Any, path: Path) -> None:
        if path in self._late or "propertyNames" in error.absolute_schema_path:
            return  # names of keys are checked where their own place is known (`formats`)
        _REPORTS.get(str(error.validator), _other)(self, error, path)

    def unknown_keys(self, error: Any, path: Path) -> None:
        """Keys that a mapping cannot have."""
        known = error.schema.get("properties", {})
        frame = error.schema.get("x-frame", "")
        for name in error.instance:
            if name in known or name.startswith(FREE_PREFIX):
                continue
            place = (*path, name)
            self.bad.add(place)
            span = key_span_at(self._root, place)
            if name in UNSUPPORTED.get(frame, ()):
                self._problems.add("not-supported", f"'{name}' is not supported yet in this version", span)
                continue
            message = f"unknown key '{name}' {self._frame(path)}"
            self._problems.add("unknown-key", message, span, note=elsewhere(name, path) or suggestion(name, known))

    def _frame(self, path: Path) -> str:
        words, below = owner(path)
        if words.startswith("stage ") and not below:
            return f"in a stage of kind '{self._kind(path)}'"
        if not path:
            return "at the top of the file"
        return f"in {spell(path)}"

    def _kind(self, path: Path) -> str:
        entry = entry_at(self._root, (*path[:2], "kind"))
        return entry.value.text if entry and isinstance(entry.value, Scalar) else "run"

    def missing_key(self, error: Any, path: Path) -> None:
        """A key that must be written."""
        # jsonschema names one missing key an error, first thing in its message
        name = next(key for key in error.validator_value if key not in error.instance and repr(key) in error.message)
        words, below = owner(path)
        subject = spell(path) if path else "the file"
        if words.startswith("stage ") and not below:
            subject = f"{words} of kind '{self._kind(path)}'"
        note = "write it here or under 'defaults'" if name == "image" and not below else ""
        span = key_span_at(self._root, path) if path else _first(self._root)
        self._problems.add("missing-key", f"{subject} has no '{name}'", span, note=note)
        if below:
            self.bad.add(path)

    def wrong_type(self, error: Any, path: Path) -> None:
        """A value of another type."""
        wanted = error.validator_value
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        words = listing(TYPES[name] for name in names)
        if error.instance is None and names != ["null"]:
            self._add("wrong-type", f"{spell(path)} has no value: it must be {words}", path, key=True)
            return
        seen = _seen(error.instance)
        self._add("wrong-type", f"{spell(path)} must be {words}, not {seen}", path)

    def wrong_word(self, error: Any, path: Path) -> None:
        """A word that is not one of the list."""
        words = [str(item) for item in error.validator_value]
        note = suggestion(str(error.instance), words) or f"one of {', '.join(words)}"
        self._add("wrong-value", f"{spell(path)} cannot be {_quoted(error.instance)}", path, note=note)

    def wrong_constant(self, error: Any, path: Path) -> None:
        """Another value than the only one."""
        message = f"{spell(path)} must be {_quoted(error.validator_value)}, not {_quoted(error.instance)}"
        self._add("wrong-value", message, path)

    def wrong_pattern(self, error: Any, path: Path) -> None:
        """A text that does not look as it must."""
        words, note = PATTERNS.get(
            error.schema.get("x-format", ""), ("does not look as it must", error.validator_value)
        )
        self._add("wrong-value", f"'{error.instance}' {words} ({spell(path)})", path, note=note)

    def out_of_bounds(self, error: Any, path: Path) -> None:
        """A number or a count too small or too big."""
        wanted = f"{_BOUNDS[error.validator]} {error.validator_value}"
        if error.validator.endswith(("Items", "Properties", "Length")):
            empty = (
                "must not be empty" if error.validator.startswith("min") else f"holds more than {error.validator_value}"
            )
            self._add("wrong-value", f"{spell(path)} {empty}", path, key=True)
            return
        self._add("wrong-value", f"{spell(path)} must be {wanted}, not {error.instance}", path)


def _twice(validation: Validation, error: Any, path: Path) -> None:
    items = [str(item) for item in error.instance]
    word = next((item for index, item in enumerate(items) if item in items[:index]), items[0])
    validation._add("wrong-value", f"{spell(path)} holds {_quoted(word)} twice", path)


def _validator(schema: Schema) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)


def _other(validation: Validation, error: Any, path: Path) -> None:
    validation._add("wrong-value", f"{spell(path)}: {error.message}"[:300], path)


_BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "minItems": "",
    "maxItems": "",
    "minProperties": "",
    "maxProperties": "",
    "minLength": "",
    "maxLength": "",
}
_REPORTS: Final[Mapping[str, Callable[[Validation, Any, Path], None]]] = {
    "additionalProperties": Validation.unknown_keys,
    "required": Validation.missing_key,
    "type": Validation.wrong_type,
    "enum": Validation.wrong_word,
    "const": Validation.wrong_constant,
    "pattern": Validation.wrong_pattern,
    "uniqueItems": _twice,
    **dict.fromkeys(_BOUNDS, Validation.out_of_bounds),
}


def _leaves(error: Any) -> Sequence[Any]:
    """The errors below `anyOf` and `oneOf` that say most: those of the branch that got furthest."""
    if not error.context:
        return (error,)
    branches: dict[Any, list[Any]] = {}
    for below in error.context:
        branches.setdefault(below.schema_path[0], []).append(below)
    best = max(branches.values(), key=lambda found: (min(len(item.path) for item in found), -len(found)))
    if all(item.validator == "type" and not item.path for item in best) and len(branches) > 1:
        return (error,)
    return [leaf for below in best for leaf in _leaves(below)]


def _seen(value: Any) -> str:
    if isinstance(value, str):
        return "the text " + _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    return TYPES["array"] if isinstance(value, list) else TYPES["object"]


def _quoted(value: Any) -> str:
    text = re.sub(r"\s+", " ", value if isinstance(value, str) else str(value).lower())
    text = text if len(text) <= 60 else text[:57] + "…"
    return f"'{text}'" if isinstance(value, str) else text


def _first(root: Node) -> Any:
    entries = getattr(root, "entries", None)
    return next(iter(entries.values())).key.span if entries else root.span
