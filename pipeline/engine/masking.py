"""Masking of secrets in a byte stream: in every usual spelling, across chunk borders and the line breaks of base64."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator

from pipeline.engine.spellings import SHORTEST, spellings
from pipeline.engine.unseen import View

__all__ = ["CARRY_LIMIT", "MASK", "SHORTEST", "LineCutter", "Masker"]

MASK = b"***"

CARRY_LIMIT = 1 << 20
"""A line longer than this is given on in pieces."""

WRAPPED = 40
"""Base64 is broken into lines of no fewer characters than this (PEM 64, MIME 76)."""
_BASE64 = rb"A-Za-z0-9+/_\-"
_REST = re.compile(rb"[%b]{0,2}={0,2}" % _BASE64)
"""What may follow the characters that a secret alone decides: they hold its last bits together with others."""
_LONG_END = re.compile(rb"[%b]{%d}\r?\n\Z" % (_BASE64, WRAPPED))
COLOURED = 8
"""So many times its length a secret may take with a colour around each of its characters."""

_Span = tuple[int, int]
"""Where a secret stands in a block: first byte, and the one behind its last."""


class Masker:
    """Replaces known secrets in blocks of whole lines. Secrets can be added while it works, from any thread."""

    def __init__(self) -> None:
        self._clear: tuple[bytes, ...] = ()
        self._coded: tuple[bytes, ...] = ()
        self._adding = threading.Lock()
        self.longest = 0
        """Bytes within which every known spelling fits, the line breaks of base64 included."""

    def add(self, secret: str) -> None:
        """Mask this value from now on."""
        clear, coded = spellings(secret)
        bare = (View(form).text for form in clear)
        clear = clear.union(form for form in bare if len(form) >= SHORTEST)
        with self._adding:
            self._clear = tuple({*self._clear, *clear})
            self._coded = tuple({*self._coded, *coded} - {*self._clear})
            longest = max(map(len, (*self._clear, *self._coded)), default=0)
            self.longest = longest + 2 * (longest // WRAPPED) + 4 if longest else 0

    def mask(self, block: bytes) -> bytes:
        """The block with every secret replaced; it keeps its line ends."""
        spans = self._spans(block)
        if not spans:
            return block
        pieces: list[bytes] = []
        at = 0
        for start, end in spans:
            pieces += (block[at:start], MASK, (b"\n" + MASK) * block.count(b"\n", start, end))
            at = end
        return b"".join((*pieces, block[at:]))

    def text(self, text: str) -> str:
        """The same for a piece of text, such as a reason or a command shown to people."""
        return self.mask(text.encode(errors="replace")).decode() if self.longest else text

    def safe_cut(self, carry: bytes) -> int:
        """Where an unfinished line may be cut without cutting through a secret that is, or may yet be, in it."""
        if not self.longest:
            return len(carry)
        cut = max(0, len(carry) - COLOURED * self.longest + 1)
        return next((start or cut for start, end in self._spans(carry) if start < cut < end), cut)

    def unfinished(self, block: bytes) -> int:
        """The start of the line from which whole lines must wait for those that follow, or the block's length.

        They wait where they end in long base64 that may be the beginning of a secret's, broken at the line's end.
        """
        if not self._coded or not _LONG_END.search(block):
            return len(block)
        tail = block[-2 * self.longest :]
        flat = View(tail)
        begun = max(_overlap(flat.joined, form) for form in self._coded)
        if not begun:
            return len(block)
        start = len(block) - len(tail) + flat.of_joined().of(len(flat.joined) - begun)
        return block.rfind(b"\n", 0, start) + 1

    def _spans(self, block: bytes) -> list[_Span]:
        """Where secrets stand, in order and without overlap: what two of them share is masked as one."""
        found = [span for form in self._clear for span in _occurrences(block, form)]
        view = View(block)
        if view.text is not block:
            places = view.of_text()
            found += (
                (places.of(start), places.of(end - 1) + 1)
                for form in self._clear
                for start, end in _occurrences(view.text, form)
            )
        if self._coded:
            found += self._coded_spans(view)
        found.sort()
        merged: list[_Span] = []
        for start, end in found:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _coded_spans(self, view: View) -> Iterator[_Span]:
        places = view.of_joined()
        for form in self._coded:
            for start, end in _occurrences(view.joined, form):
                last = places.of(end - 1) + 1
                rest = _REST.match(view.block, last)
                yield places.of(start), rest.end() if rest else last


class LineCutter:
    """Turns chunks of one stream into masked blocks of whole lines."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._carry = b""

    def feed(self, chunk: bytes) -> bytes:
        """The whole lines that are complete now, masked; each ends with a newline, or nothing."""
        end = chunk.rfind(b"\n")
        if end < 0:
            self._carry += chunk
            return self._piece() if len(self._carry) > CARRY_LIMIT else b""
        block, rest = self._carry + chunk[: end + 1], chunk[end + 1 :]
        whole = self._masker.unfinished(block)
        self._carry = block[whole:] + rest
        return self._masker.mask(block[:whole])

    def finish(self) -> bytes:
        """What is left, the last line with a newline where it had none."""
        block, self._carry = self._carry, b""
        masked = self._masker.mask(block)
        return masked if not masked or masked.endswith(b"\n") else masked + b"\n"

    def _piece(self) -> bytes:
        """The beginning of a line that has no end."""
        cut = self._masker.safe_cut(self._carry)
        block, self._carry = self._carry[:cut], self._carry[cut:]
        masked = self._masker.mask(block)
        return masked + b"\n" if masked else b""


def _occurrences(text: bytes, form: bytes) -> Iterable[_Span]:
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + 1)


def _overlap(text: bytes, form: bytes) -> int:
    """How many characters at the end of the text are the beginning of the form, but not all of it."""
    longest = min(len(form) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(form[:size])), 0)
