"""Making other people's bytes safe to show: a log may hold anything, a terminal obeys almost anything."""

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
_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?",
)
_SUSPECT = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f\x80-\xff]")
_COLOUR = re.compile(r"[0-9;:]*\Z")
_SGR = re.compile(r"\x1b\[[0-9;:]*m")


def shown(text: str) -> str:
    """`text` with colours but without any other control sequence; a lone carriage return becomes a line end."""
    return _CONTROL.sub(_allowed, text)


def bare(text: str) -> str:
    """`text` without any control sequence, colours included."""
    return _SGR.sub("", shown(text))


def one_line(text: str) -> str:
    """`text` without control sequences and line ends, for a table or a tree."""
    return " ".join(bare(text).split())


def for_terminal(block: bytes, *, colour: bool) -> bytes:
    """Whole lines made safe for a terminal; a colour that a line leaves on ends with the line."""
    if not _SUSPECT.search(block):
        return block
    text = block.decode("utf-8", "replace")
    if not colour:
        return bare(text).encode()
    safe = shown(text)
    if "\x1b" in safe:
        safe = "\n".join(f"{row}\x1b[0m" if "\x1b" in row else row for row in safe.split("\n"))
    return safe.encode()


def for_file(block: bytes) -> bytes:
    """Whole lines without escape sequences; every other byte as it came."""
    return _ESCAPES.sub(b"", block) if b"\x1b" in block else block


def _allowed(match: re.Match[str]) -> str:
    found = match.group()
    if match.group(4):
        return "\n"
    if match.group(3) == "m" and not match.group(2) and _COLOUR.match(match.group(1)):
        return found
    return ""
