"""The forms in which a secret may show in a log: in clear, escaped, URL-encoded, and in base64 at any alignment."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Secrets shorter than this many characters are refused: masking them would black out half a log."""

_URI = ";,/?:@&=+$-_.!~*'()#"
"""What ECMAScript's encodeURI leaves as it is."""
_COMPONENT = "-_.!~*'()"
"""What its encodeURIComponent leaves as it is."""
_PERCENT = re.compile("%[0-9A-F]{2}")


def spellings(secret: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """All forms in which a secret may show: those of text, and those in base64 (without line breaks).

    Each line of a secret of several lines counts by itself; lines shorter than SHORTEST do not.
    """
    clear: set[bytes] = set()
    coded: set[bytes] = set()
    raw = secret.encode(errors="surrogateescape")
    lines = (line.strip() for line in raw.splitlines())
    for piece in {raw, raw.strip(), *lines}:
        if len(piece) < SHORTEST:
            continue
        if b"\n" not in piece:
            clear.add(piece)
            clear.update(
                form.encode(errors="surrogateescape") for form in _of_text(piece.decode(errors="surrogateescape"))
            )
        coded.update(
            form for encode in (base64.b64encode, base64.urlsafe_b64encode) for form in _aligned(piece, encode)
        )
    return frozenset(form for form in clear if len(form) >= SHORTEST), frozenset(coded)


def _of_text(text: str) -> Iterable[str]:
    """The text as other programs quote it."""
    try:
        encoded = {
            quote(text),
            quote(text, safe=""),
            quote_plus(text),
            quote(text, safe=_URI),
            quote(text, safe=_COMPONENT),
        }
    except UnicodeEncodeError:
        encoded = set()  # no text, so nobody spells it in a URL
    yield from encoded
    yield from (_PERCENT.sub(lambda code: code[0].lower(), form) for form in encoded)
    for escaped in {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}:
        yield from (escaped, escaped.replace("/", "\\/"))
    yield repr(text)[1:-1]
    yield from (text.replace("'", "'\\''"), text.replace("'", "'\"'\"'"))
    yield text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _aligned(piece: bytes, encode: Callable[[bytes], bytes]) -> Iterable[bytes]:
    """A secret inside a longer text starts at one of three bit offsets; only the characters that depend on the secret
    alone are compared."""
    for offset in range(3):
        coded = encode(b"\0" * offset + piece)
        head = (0, 2, 3)[offset]
        whole = 8 * (offset + len(piece)) // 6
        form = coded[head:whole]
        if len(form) >= SHORTEST:
            yield form
