"""ULIDs: 26 characters that sort by time. Format: https://github.com/ulid/spec, written in lower case."""

from __future__ import annotations

from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def ulid(moment: datetime, randomness: bytes) -> str:
    """The ULID of a moment (milliseconds) and 10 random bytes."""
    number = (int(moment.timestamp() * 1000) << 80) | int.from_bytes(randomness[:10])
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -5, -5))


def moment_of(text: str) -> datetime:
    """The moment (milliseconds, UTC) that a ULID carries; ValueError for a text that is none."""
    if len(text) != 26:
        raise ValueError(f"'{text}' is not a ULID")
    number = 0
    for character in text:
        number = number << 5 | _ALPHABET.index(character)
    return datetime.fromtimestamp((number >> 80) / 1000, tz=UTC)
