"""A stored line of a log as a page shows it: its time, its text cut by colour, and what kind of line it is."""

from __future__ import annotations

import re
from typing import Any

from pipeline.operations.log_window import COMMAND
from pipeline.web.pages.words import bare

_STAMP = len("2026-11-23T23:00:00.123Z ")
_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
_NOTE = b"\x1b[2m\xc2\xb7 "
_LONGEST = 20_000
"""Characters of a line that a page shows."""
_KEPT = {"1", "2", *(str(code) for code in (*range(31, 37), *range(91, 97)))}

Shown = list[Any]
"""`[time, text, kind]`, or with colours `[time, [[classes, text], …], kind]`; kind is "", `c` (command) or `o` (ours).

Text stays text: whoever puts it on a page must not take it for markup.
"""


def shown(line: bytes) -> Shown:
    """One stored line."""
    time, text = line[11 : _STAMP - 2].decode("ascii", "replace"), line[_STAMP:]
    if text.startswith(COMMAND):
        return [time, _plain(text), "c"]
    if text.startswith(_NOTE):
        return [time, _plain(text), "o"]
    words = text.decode("utf-8", "replace")
    words = words.rstrip("\r").rpartition("\r")[2][:_LONGEST]  # of what overwrote itself, the last counts
    if "\x1b" not in words:
        return [time, bare(words), ""]
    return [time, _coloured(words), ""]


def _plain(text: bytes) -> str:
    return bare(text.decode("utf-8", "replace")).replace("\n", " ")[:_LONGEST]


def _coloured(words: str) -> str | list[list[str]]:
    pieces: list[list[str]] = []
    look: dict[str, str] = {}
    at = 0
    for match in _SGR.finditer(words):
        _add(pieces, look, words[at : match.start()])
        at = match.end()
        _turn(look, match.group(1))
    _add(pieces, look, words[at:])
    if not pieces:
        return ""
    return pieces[0][1] if len(pieces) == 1 and not pieces[0][0] else pieces


def _add(pieces: list[list[str]], look: dict[str, str], text: str) -> None:
    if text := bare(text):
        pieces.append([" ".join(f"a{code}" for code in look.values()), text])


def _turn(look: dict[str, str], codes: str) -> None:
    """What the codes leave: boldness and one of the plain colours; others, and backgrounds, are not shown."""
    words = re.split("[;:]", codes or "0")
    if words[0] in ("38", "48"):
        look.pop("colour", None)
        return
    for code in words:
        if code in ("", "0"):
            look.clear()
        elif code == "39":
            look.pop("colour", None)
        elif code in ("21", "22"):
            look.pop("weight", None)
        elif code in _KEPT:
            look["weight" if code in ("1", "2") else "colour"] = code
