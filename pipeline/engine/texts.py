"""Texts of containers as they can be written anywhere: not every name of a file is text, nor every JSON escape."""

from __future__ import annotations


def fit(text: str) -> str:
    """The text with U+FFFD in the place of what no encoding can write (lone surrogates)."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
