"""The order of Debian versions, as deb-version(7) and Debian Policy 5.6.12 define it."""

from __future__ import annotations

import re
from functools import cmp_to_key

_PIECES = re.compile(r"([^0-9]*)([0-9]*)")


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, as `dpkg --compare-versions` has it."""
    first, second = _split(left), _split(right)
    if first[0] != second[0]:
        return -1 if first[0] < second[0] else 1
    return _compare_part(first[1], second[1]) or _compare_part(first[2], second[2])


def newest(versions: tuple[str, ...]) -> str:
    """The greatest of some versions; there is at least one."""
    return max(versions, key=cmp_to_key(compare))


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.strip().partition(":")
    if not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", version.strip()
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return int(epoch), upstream, revision


def _compare_part(left: str, right: str) -> int:
    """Alternating runs of non-digits and digits; a missing run counts as nothing, or as 0."""
    pairs_left, pairs_right = _PIECES.findall(left), _PIECES.findall(right)
    for index in range(max(len(pairs_left), len(pairs_right))):
        text_left, digits_left = pairs_left[index] if index < len(pairs_left) else ("", "")
        text_right, digits_right = pairs_right[index] if index < len(pairs_right) else ("", "")
        words = (_letters(text_left), _letters(text_right))
        if words[0] != words[1]:
            return -1 if words[0] < words[1] else 1
        numbers = (int(digits_left or 0), int(digits_right or 0))
        if numbers[0] != numbers[1]:
            return -1 if numbers[0] < numbers[1] else 1
    return 0


def _letters(text: str) -> tuple[int, ...]:
    """Ranks of characters: `~` before the end of the text, the end before letters, letters before the rest."""
    return (*(-1 if item == "~" else ord(item) if item.isalpha() else ord(item) + 256 for item in text), 0)
