"""Which files of a workspace a pattern means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Globs:
    """Compiled patterns: the folders (or files) to look at, none within another, and what to take from them."""

    roots: tuple[str, ...]
    """In path order; "" is the whole workspace."""
    _pattern: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether one of the patterns means this path."""
        return self._pattern.fullmatch(path) is not None


def compile_globs(patterns: Sequence[str]) -> Globs:
    """`*` and `?` stay within a folder, `**` crosses folders, `[…]` is one character, a trailing `/` means all below.

    A pattern that leaves the workspace (absolute, `..`) matches nothing.
    """
    pieces = [parts for parts in map(_parts, patterns) if parts]
    roots = sorted({_root(parts) for parts in pieces})
    kept: list[tuple[str, ...]] = []
    for root in roots:
        if not any(root[: len(other)] == other for other in kept):
            kept.append(root)
    expression = "|".join(_expression(parts) for parts in pieces) or r"(?!)"
    return Globs(roots=tuple("/".join(root) for root in kept), _pattern=re.compile(expression, re.DOTALL))


def _parts(pattern: str) -> tuple[str, ...]:
    if pattern.startswith("/"):
        return ()
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    if ".." in parts:
        return ()
    return (*parts, "**") if pattern.endswith("/") or not parts else parts


def _root(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The leading folders without magic; the last part stays when it has none either."""
    count = next((index for index, part in enumerate(parts) if MAGIC.search(part)), len(parts))
    return parts[:count]


def _expression(parts: tuple[str, ...]) -> str:
    text = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            text += ".+" if last else "(?:[^/]+/)*"
        else:
            text += _segment(part) + ("" if last else "/")
    return text


def _segment(part: str) -> str:
    text, index = "", 0
    while index < len(part):
        character = part[index]
        close = part.find("]", index + 2) if character == "[" else -1
        if character == "*":
            text += "[^/]*"
        elif character == "?":
            text += "[^/]"
        elif close > 0:
            inner = part[index + 1 : close].replace("\\", "\\\\")
            text += "(?!/)[" + ("^" + inner[1:] if inner[0] == "!" else re.escape(inner[0]) + inner[1:]) + "]"
            index = close
        else:
            text += re.escape(character)
        index += 1
    return text
