"""Other people's bytes on a terminal or in a file; `pipeline.model.clean` says what of a text may be shown."""

from __future__ import annotations

import re

from pipeline.model.clean import bare, one_line, shown

__all__ = ["bare", "for_file", "for_terminal", "one_line", "shown"]
_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?",
)
_SUSPECT = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f\x80-\xff]")


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
