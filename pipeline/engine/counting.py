"""Whole numbers as reports write them: digits of anybody's, so neither every script's nor of any length."""

from __future__ import annotations

_DIGITS = 9


def whole(text: object) -> int | None:
    """The number that ASCII digits spell, up to a billion; None for anything else."""
    found = str(text or "").strip()
    return int(found) if 0 < len(found) <= _DIGITS and found.isascii() and found.isdigit() else None
