"""Dataclasses whose methods are compiled when they are first used, not when they are imported.

The command imports a hundred frozen dataclasses, makes objects of half of them and compares, hashes or shows few;
compiling all of it took a fifth of the time until the first container starts. The same methods do the same.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

KNOWN = (3, 12)
"""The last version that makes each method by `dataclasses._create_fn`; later ones compile those of a class at once."""


def compile_later() -> None:
    """From now on, in this process."""
    if sys.version_info[:2] > KNOWN:
        return
    library: Any = dataclasses
    at_once: Callable[..., Any] = library._create_fn

    def create(name: str, *arguments: Any, **more: Any) -> Any:
        made: list[Any] = []

        def method(self: Any, *others: Any, **named: Any) -> Any:
            if not made:
                made.append(at_once(name, *arguments, **more))
                made[0].__qualname__ = method.__qualname__  # the class has named it
                _put(type(self), name, method, made[0])
            return made[0](self, *others, **named)

        method.__name__ = name
        return method

    library._create_fn = create


def _put(kind: type, name: str, stand_in: object, method: object) -> None:
    """Give the class that has the stand-in the method itself."""
    for owner in kind.__mro__:
        if owner.__dict__.get(name) is stand_in:
            setattr(owner, name, method)
