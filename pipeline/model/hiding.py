"""Keeping secret values out of short texts that are stored: reasons, details, what a check saw."""

from __future__ import annotations

from collections.abc import Iterable

SHORTEST = 4
"""Lines of a secret shorter than this stay: they are brackets and the like."""
HIDDEN = "***"


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without these values, and without any line of a multi-line one."""
    parts = {part for value in secrets for part in (value, *value.splitlines()) if len(part.strip()) >= SHORTEST}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return text
