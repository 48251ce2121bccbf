"""Dataclasses whose comparison, hash and text are compiled when they are first used, not when they are imported.

The command imports a hundred frozen dataclasses and compares, hashes or shows few of them; compiling these methods took
a tenth of the time until the first container starts. Nothing else changes: the same methods do the same.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

LATER = ("__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__")
KNOWN = (3, 12)
"""The last version that makes each method by `dataclasses._create_fn`; later ones compile those of a class at once."""


def compile_later() -> None:
    """From now on, in this process."""
    if sys.version_info[:2] > KNOWN:
        return
    library: Any = dataclasses
    at_once: Callable[..., Any] = library._create_fn

    def create(name: str, *arguments: Any, **more: Any) -> Any:
        if name not in LATER:
            return at_once(name, *arguments, **more)
        made: list[Any] = []

        def method(self: Any, *others: Any) -> Any:
            if not made:
                made.append(at_once(name, *arguments, **more))
                _put(type(self), name, method, made[0])
            return made[0](self, *others)

        method.__name__ = name
        return method

    library._create_fn = create


def _put(kind: type, name: str, stand_in: object, method: object) -> None:
    """Give the class that has the stand-in the method itself."""
    for owner in kind.__mro__:
        if owner.__dict__.get(name) is stand_in:
            setattr(owner, name, method)
