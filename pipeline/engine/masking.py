"""Masking of secrets in a byte stream: in clear, base64 and URL-encoded, across chunk borders."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

MASK = b"***"
SHORTEST = 4
"""Secrets shorter than this many characters are refused: masking them would black out half a log."""

CARRY_LIMIT = 1 << 20
"""A line longer than this is given on in pieces."""


BASE64_REST = rb"[A-Za-z0-9+/_-]{0,2}={0,2}"
"""What may follow the characters that a secret alone decides: they hold its last bits together with others."""


def spellings(secret: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """All forms in which a secret may show: those in clear and URL-encoded, and those in base64 at any alignment.

    Each line of a secret of several lines counts by itself.
    """
    forms: set[bytes] = set()
    coded: set[bytes] = set()
    raw = secret.encode()
    pieces = [raw, *(line.strip() for line in raw.splitlines())]
    for piece in pieces:
        if len(piece) < SHORTEST:
            continue
        text = piece.decode()
        if b"\n" not in piece:
            forms.add(piece)
            forms.update(form.encode() for form in (quote(text), quote(text, safe=""), quote_plus(text)))
            forms.add(repr(text)[1:-1].encode())
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            coded.update(_base64_forms(piece, encode))
        coded.update(_wrapped(base64.b64encode(piece)))
    return frozenset(forms), frozenset(coded)


def _wrapped(coded: bytes) -> Iterable[bytes]:
    # base64(1) breaks lines at 76 characters, PEM writers at 64.
    for width in (76, 64):
        if len(coded) > width:
            yield from (part for at in range(0, len(coded), width) if len(part := coded[at : at + width]) >= SHORTEST)


def _base64_forms(piece: bytes, encode: Callable[[bytes], bytes]) -> Iterable[bytes]:
    # A secret inside a longer text starts at one of three bit offsets; only the characters that depend on the
    # secret alone are compared.
    for offset in range(3):
        coded = encode(b"\0" * offset + piece)
        head = (0, 2, 3)[offset]
        bits = 8 * (offset + len(piece))
        whole = bits // 6
        form = coded[head:whole]
        if len(form) >= SHORTEST:
            yield form


class Masker:
    """Replaces known secrets in whole-line blocks. Secrets can be added while it works."""

    def __init__(self) -> None:
        self._forms: set[bytes] = set()
        self._coded: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None
        self.longest = 0

    def add(self, secret: str) -> None:
        """Mask this value from now on."""
        forms, coded = spellings(secret)
        self._forms |= forms
        self._coded |= coded
        longest_first = sorted({*self._forms, *self._coded}, key=len, reverse=True)
        if longest_first:
            self.longest = len(longest_first[0]) + 4
            self._pattern = re.compile(
                b"|".join(
                    re.escape(form) + (BASE64_REST if form in self._coded and form not in self._forms else b"")
                    for form in longest_first
                )
            )

    def mask(self, block: bytes) -> bytes:
        """The block with every secret replaced."""
        return self._pattern.sub(MASK, block) if self._pattern else block

    def text(self, text: str) -> str:
        """The same for a piece of text, such as a reason or a command shown to people."""
        return self.mask(text.encode()).decode() if self._pattern else text

    def safe_cut(self, carry: bytes) -> int:
        """Where an unfinished line may be cut without cutting through a secret that is, or may yet be, in it."""
        if self._pattern is None:
            return len(carry)
        cut = max(0, len(carry) - self.longest + 1)
        for match in self._pattern.finditer(carry):
            if match.start() < cut < match.end():
                return match.start()
        return cut


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
            if len(self._carry) <= CARRY_LIMIT:
                return b""
            cut = self._masker.safe_cut(self._carry)
            block, self._carry = self._carry[:cut], self._carry[cut:]
            return self._masker.mask(block) + b"\n" if block else b""
        block = self._carry + chunk[: end + 1]
        self._carry = chunk[end + 1 :]
        return self._masker.mask(block)

    def finish(self) -> bytes:
        """The last line where it had no newline, with one."""
        block, self._carry = self._carry, b""
        return self._masker.mask(block) + b"\n" if block else b""
