"""Where the entries of a tar file stand, found without unpacking it, so that stretches can be passed on as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO

BLOCK = 512
FOLDER, DEVICE = ord("5"), ord("3")
EXTENDED, GLOBAL, LONG_NAME, LONG_LINK = ord("x"), ord("g"), ord("L"), ord("K")
WITHOUT_CONTENT = frozenset(map(ord, "123456"))
_LENGTH = re.compile(rb"(\d+) ")


@dataclass(frozen=True, slots=True)
class Placed:
    """One entry: its name, its type, where its headers begin, where the last of them is, and where its content ends."""

    name: str
    kind: int
    start: int
    header: int
    end: int
    extended: bytes = b""
    """The records of its extended header."""


def index(file: IO[bytes]) -> list[Placed]:
    """The entries of a tar file, names relative to its root. Raises ValueError for a broken one."""
    found: list[Placed] = []
    position = start = 0
    records, long_name = b"", b""
    while True:
        file.seek(position)
        block = file.read(BLOCK)
        if len(block) < BLOCK or block[0] == 0:
            return found
        kind, size = block[156], number(block[124:136])
        if kind in (EXTENDED, GLOBAL, LONG_NAME, LONG_LINK):
            body = file.read(size)
            if kind == EXTENDED:
                records = body
            elif kind == LONG_NAME:
                long_name = body.rstrip(b"\0")
            position += BLOCK + size + -size % BLOCK
            continue
        known = parse(records) if records else {}
        name = known.get(b"path") or long_name or _name(block)
        size = 0 if kind in WITHOUT_CONTENT else int(known.get(b"size", size))
        end = position + BLOCK + size + -size % BLOCK
        clean = "/".join(part for part in name.decode(errors="surrogateescape").split("/") if part not in ("", "."))
        found.append(Placed(clean, kind, start, position, end, records))
        records, long_name = b"", b""
        position = start = end


def parse(records: bytes) -> dict[bytes, bytes]:
    """The records of an extended header."""
    known: dict[bytes, bytes] = {}
    position = 0
    while match := _LENGTH.match(records, position):
        end = position + int(match[1])
        key, _, value = records[match.end() : end - 1].partition(b"=")
        known[key] = value
        position = end
    return known


def number(field: bytes) -> int:
    """An octal number, or one in base 256 where the first bit says so."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b"\0 ") or b"0", 8)


def _name(block: bytes) -> bytes:
    name = block[:100].rstrip(b"\0")
    prefix = block[345:500].rstrip(b"\0") if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name
