"""Symlinks of a listed tree, followed by their text alone, so that they cannot lead out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

_MOST_LINKS = 40
"""As in the kernel."""


class Linked(Protocol):
    """What a tree lists."""

    @property
    def link(self) -> str:
        """The target of a symlink, else ""."""


Entry = TypeVar("Entry", bound=Linked)


def followed(tree: Mapping[str, Entry], path: str) -> Entry | None:
    """What a path leads to, or None where it leads nowhere or out of the tree."""
    for _ in range(_MOST_LINKS):
        entry = tree.get(path)
        if entry is None or not entry.link:
            return entry
        if entry.link.startswith("/"):
            return None
        parts = path.split("/")[:-1]
        for part in entry.link.split("/"):
            if part == "..":
                if not parts:
                    return None
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        path = "/".join(parts)
    return None
