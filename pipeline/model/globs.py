"""Glob patterns over paths relative to a workspace's root."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_WILD = frozenset("*?[")


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """A predicate that holds for relative paths (`a/b.txt`, no leading `./`) matching one of the patterns.

    `*` and `?` stay within a folder, `**` crosses folders (none included), `[a-z]` and `[!a-z]` are sets; names that
    start with a dot are like any other. A last part without wildcards also names a folder with all that is in it
    (`dist`, `build/reports/`). Patterns that leave the root (absolute, `..`) match nothing.
    """
    parts = [_translate(pattern) for pattern in patterns]
    wanted = [part for part in parts if part]
    if not wanted:
        return lambda _path: False
    compiled = re.compile("|".join(f"(?:{part})" for part in wanted), re.DOTALL)
    return lambda path: compiled.fullmatch(path) is not None


def literal_root(pattern: str) -> str:
    """The longest leading folder without wildcards, so that a search can start there; "" is the root."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return "/".join(parts[: next((index for index, part in enumerate(parts) if _WILD & set(part)), len(parts))])


def _translate(pattern: str) -> str:
    """The regular expression of one pattern, or "" for one that leaves the root."""
    if pattern.startswith("/"):
        return ""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if ".." in parts:
        return ""
    if not parts:
        return ".*" if pattern else ""
    *folders, last = parts
    # several ** in a row mean one, and would be tried against each other
    folders = [part for index, part in enumerate(folders) if part != "**" or folders[index - 1 : index] != ["**"]]
    head = "".join("(?:[^/]+/)*" if part == "**" else _part(part) + "/" for part in folders)
    if last == "**":
        return head + ".+"
    return head + _part(last) + ("" if _WILD & set(last) and not pattern.endswith("/") else "(?:/.+)?")


def _part(text: str) -> str:
    """The regular expression of one path part."""
    text = re.sub(r"\*{2,}", "*", text)
    result = ""
    index = 0
    while index < len(text):
        letter = text[index]
        index += 1
        if letter == "*":
            result += "[^/]*"
        elif letter == "?":
            result += "[^/]"
        elif letter == "[" and (end := text.find("]", index + 1 + (text[index : index + 1] == "!"))) > 0:
            inner = text[index:end]
            index = end + 1
            negated = inner.startswith("!")
            body = re.escape(inner[1:] if negated else inner).replace(r"\-", "-")
            result += f"(?!/)[{'^' if negated else ''}{body}]"
        else:
            result += re.escape(letter)
    return result
