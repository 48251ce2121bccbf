"""What is written under a target, as the types that the options of every kind of target want."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.quantity import size_in_bytes
from pipeline.model.value import Options, Value


def words(value: Value) -> tuple[str, ...]:
    """A line as a shell would part it, or the words of a list."""
    return tuple(shlex.split(value)) if isinstance(value, str) else texts(value)


def texts(value: Value) -> tuple[str, ...]:
    """One text or a list of texts; ValueError for anything else."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping) or not hasattr(value, "__iter__"):
        raise ValueError(f"{value!r} is not a list of texts")
    return tuple(str(item) for item in value)


def mapping(value: Value) -> Options:
    """A mapping; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def text_mapping(value: Value) -> dict[str, str]:
    """A mapping of texts; an empty one for anything else."""
    return {key: str(item) for key, item in mapping(value).items()}


def number(value: Value) -> float | None:
    """A number, where one is written."""
    return None if value is None else float(str(value))


def whole_number(value: Value) -> int | None:
    """A whole number, where one is written."""
    return None if value is None else int(str(value))


def size(value: Value) -> int | None:
    """Bytes (`64MiB`), where a size is written."""
    return None if value is None else size_in_bytes(str(value))


def volume(text: str) -> str:
    """A named volume of an engine; ValueError for anything else, a folder of the host above all."""
    name, _, path = text.partition(":")
    if not path.startswith("/") or name.startswith(("/", ".", "~")) or not name:
        raise ValueError(f"'{text}' is not a named volume; wanted: name:/path[:ro]")
    return text


def health_words(value: Value) -> tuple[str, ...]:
    """A health check as the engine takes it: `CMD-SHELL` and one line, or `CMD` and words."""
    return ("CMD-SHELL", value) if isinstance(value, str) else ("CMD", *texts(value))


def labels(environment: EnvironmentDefinition) -> dict[str, str]:
    """Those of the environment, and those of its target."""
    return {**environment.labels, **text_mapping(environment.target.get("labels"))}
