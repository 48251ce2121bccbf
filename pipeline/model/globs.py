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
    # several ** in a row mean one
    parts = [part for index, part in enumerate(parts) if part != "**" or parts[index - 1 : index] != ["**"]]
    *folders, last = parts
    sections: list[list[str]] = [[]]
    for part in folders:
        if part == "**":
            sections.append([])
        else:
            sections[-1].append(part)
    fixed = ["".join(_part(part) + "/" for part in section) for section in sections]
    # the first place that fits is as good as any later one, so nothing is tried again: (?>…)
    head = fixed[0] + "".join(f"(?>(?:[^/]+/)*?{section})" for section in fixed[1:-1])
    if len(fixed) > 1:
        head += f"(?>(?:[^/]+/)*?{fixed[-1]})" if last == "**" else f"(?:[^/]+/)*{fixed[-1]}"
    if last == "**":
        return head + ".+"
    return head + _part(last) + ("" if _WILD & set(last) and not pattern.endswith("/") else "(?:/.+)?")


def _part(text: str) -> str:
    """The regular expression of one path part: between stars, too, the first place that fits is taken for good."""
    first, *others = _pieces(re.sub(r"\*{2,}", "*", text))
    if not others:
        return first
    return first + "".join(f"(?>[^/]*?{piece})" for piece in others[:-1] if piece) + f"[^/]*{others[-1]}"


def _pieces(text: str) -> list[str]:
    """The regular expressions of what stands between the stars."""
    pieces, result = list[str](), ""
    index = 0
    while index < len(text):
        letter = text[index]
        index += 1
        if letter == "*":
            pieces.append(result)
            result = ""
        elif letter == "?":
            result += "[^/]"
        elif letter == "[" and (end := text.find("]", index + 1 + (text[index : index + 1] == "!"))) > 0:
            inner = text[index:end]
            index = end + 1
            negated = inner.startswith("!")
            body = re.escape(inner[1:] if negated else inner).replace(r"\-", "-")
            result += f"(?!/)[{'^' if negated else ''}{body}]" if _is_set(body) else "(?!)"
        else:
            result += re.escape(letter)
    return [*pieces, result]


def _is_set(body: str) -> bool:
    """Whether it is a set of characters at all: `[z-a]` is none, and matches nothing."""
    try:
        re.compile(f"[{body}]")
    except re.error:
        return False
    return True
