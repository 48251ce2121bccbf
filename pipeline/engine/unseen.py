"""Bytes of a log that nobody sees (escape sequences, control characters): a secret is one also with them in between."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

__all__ = ["View"]

_UNSEEN = (
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\xc2\xe2](?:"  # one class in front: the search passes all else quickly
    rb"(?<=\x1b)\[[0-?]*[ -/]*[@-~]"  # CSI, colours among them
    rb"|(?<=\x1b)[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC
    rb"|(?<=\x1b)[ -/]*[0-~]?"  # any other escape
    rb"|(?<=\xc2)\x9b[0-?]*[ -/]*[@-~]"  # CSI as one character
    rb"|(?<=\xc2)[\x80-\x9f]"
    rb"|(?<=\xe2)(?:\x80[\x8e\x8f\xaa-\xae]|\x81[\xa6-\xa9])"  # marks of direction
    rb"|(?<![\x1b\xc2\xe2]))"
)
_WITHIN_LINES = re.compile(_UNSEEN)
_AND_LINE_ENDS = re.compile(rb"[\r\n]|" + _UNSEEN)
_CONTROLS = bytes({*range(0x20)} - {*b"\t\r\n"}) + b"\x7f"
_LINE_ENDS = b"\r\n"


class View:
    """A block as it is seen: `text` by lines, which is the block itself where all of it is seen, and `joined` as one
    line."""

    def __init__(self, block: bytes) -> None:
        self.block = block
        self.text = block
        if len(block.translate(None, _CONTROLS)) < len(block) or b"\xc2" in block or b"\xe2" in block:
            seen = _WITHIN_LINES.sub(b"", block)
            self.text = seen if len(seen) < len(block) else block
        self.joined = self.text.translate(None, _LINE_ENDS)

    def of_text(self) -> Places:
        """Where the bytes of `text` stand in the block."""
        return Places(self.block, _WITHIN_LINES)

    def of_joined(self) -> Places:
        """Where the bytes of `joined` stand in the block."""
        return Places(self.block, _AND_LINE_ENDS)


class Places:
    """Where the bytes of a text from which a pattern was removed stand in the whole; found out when first asked."""

    def __init__(self, whole: bytes, pattern: re.Pattern[bytes]) -> None:
        self._whole = whole
        self._pattern = pattern
        self._removed: tuple[list[int], list[int]] | None = None

    def of(self, index: int) -> int:
        """The place in the whole of the byte `index` of the text."""
        if self._removed is None:
            spans = [match.span() for match in self._pattern.finditer(self._whole)]
            sizes = [0, *accumulate(end - start for start, end in spans)]
            self._removed = [start - before for (start, _), before in zip(spans, sizes, strict=False)], sizes
        places, sizes = self._removed
        return index + sizes[bisect_right(places, index)]
