"""Names of the depot's folders."""

from __future__ import annotations

BATCH = 32
"""Layers whose folders are made at once."""
FEW = 8
"""The same for the first layers of a small run: each folder that the engine copies costs it a millisecond."""


def slot_name(number: int) -> str:
    """The folder of a layer. Two letters hold 1,296 of them; mount options have little room."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return digits[number // 36] + digits[number % 36] if number < 36 * 36 else f"s{number}"
