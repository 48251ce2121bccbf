"""Texts of others within Markdown: no markup, no link, no mention of anybody."""

from __future__ import annotations

import re

_ESCAPES = {ord(letter): f"&#{ord(letter)};" for letter in "&<>\\`*_[]|~#@!$:"}
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_ADDRESS = re.compile(r"\b(www)\.", re.IGNORECASE)


def inert(text: str, *, limit: int = 300) -> str:
    """On one line, cut at its limit, every character with a meaning written as a character reference.

    `:` among them, so that `https://…` is no link and `:tada:` no picture; `www.` loses its full stop's meaning too.
    """
    line = " ".join(_UNSHOWN.sub(" ", text).split())
    cut = line if len(line) <= limit else line[: limit - 1] + "…"
    return _ADDRESS.sub(r"\1&#46;", cut.translate(_ESCAPES))
