"""Text with `${{ … }}` in it, taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OPEN, CLOSE = "${{", "}}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Expr:
    """An expression within a text: its CEL text without the braces, and where the braces open (0-based)."""

    text: str
    start: int
    end: int
    """Behind the closing braces."""


def parts(text: str) -> tuple[str | Expr, ...]:
    """Literal text and expressions in order; no empty literals. `}}` inside a CEL string literal does not close.

    Raises ValueError when an expression is not closed.
    """
    found: list[str | Expr] = []
    at = 0
    while (start := text.find(OPEN, at)) >= 0:
        if start > at:
            found.append(text[at:start])
        end = _closing(text, start + len(OPEN))
        if end < 0:
            raise ValueError(f"'${{{{' at character {start + 1} is never closed")
        found.append(Expr(text=text[start + len(OPEN) : end].strip(), start=start, end=end + len(CLOSE)))
        at = end + len(CLOSE)
    if at < len(text):
        found.append(text[at:])
    return tuple(found)


def has_expression(text: str) -> bool:
    """Whether there is anything to evaluate."""
    return OPEN in text


def holds_expression(value: object) -> bool:
    """Whether any text of a nested value has something to evaluate."""
    if isinstance(value, str):
        return OPEN in value
    if isinstance(value, Mapping):
        return any(holds_expression(item) for item in value.values())
    return isinstance(value, Sequence) and any(holds_expression(item) for item in value)


def literal(text: str) -> str:
    """A template that gives this text as it is, whoever wrote it: what looks like an expression is none."""
    return text.replace(OPEN, f"{OPEN} '{OPEN}' {CLOSE}")


def _closing(text: str, at: int) -> int:
    quote = ""
    while at < len(text):
        letter = text[at]
        if quote:
            if letter == "\\":
                at += 1
            elif letter == quote:
                quote = ""
        elif letter in "'\"":
            quote = letter
        elif text.startswith(CLOSE, at):
            return at
        at += 1
    return -1
