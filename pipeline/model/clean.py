"""Making other people's text safe to show: a log may hold anything, and a terminal obeys almost anything."""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"\x1b\[([0-?]*)([ -/]*)([@-~])"  # CSI, of which SGR (a final m) is a colour
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC
    r"|\x9b[0-?]*[ -/]*[@-~]"  # CSI as one character
    r"|\x1b[ -/]*[0-~]?"  # any other escape
    r"|\r+(?=\n)"
    r"|(\r)"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # controls, bidi overrides
)
_COLOUR = re.compile(r"[0-9;:]*\Z")
_SGR = re.compile(r"\x1b\[[0-9;:]*m")


def shown(text: str) -> str:
    """`text` with colours but without any other control sequence, and without characters that turn the direction of
    reading; a lone carriage return becomes a line end."""
    return _CONTROL.sub(_allowed, text)


def bare(text: object) -> str:
    """The same without colours, in characters that can be written anywhere."""
    return _SGR.sub("", shown(str(text).encode("utf-8", "replace").decode()))


def one_line(text: object) -> str:
    """The same without line ends, for a table or a tree."""
    return " ".join(bare(text).split())


def first_line(text: object) -> str:
    """The first line that says something, of a commit's message."""
    return next((one_line(line) for line in bare(text).splitlines() if line.strip()), "")


def _allowed(match: re.Match[str]) -> str:
    found = match.group()
    if match.group(4):
        return "\n"
    if match.group(3) == "m" and not match.group(2) and _COLOUR.match(match.group(1)):
        return found
    return ""
