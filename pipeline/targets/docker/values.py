"""Values of a target's options as the types that its parsers want."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

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
