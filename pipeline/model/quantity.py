"""Reading durations, sizes and image references as people write them in a pipeline file."""

from __future__ import annotations

import re
from typing import Final

_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,6})?(?:ms|s|m|h|d))+")
_DURATION_PART: Final = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB|k|K|m|M|g|G)?")
_BYTES: Final = {
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "k": 2**10,
    "K": 2**10,
    "m": 2**20,
    "M": 2**20,
    "g": 2**30,
    "G": 2**30,
}
_DOMAIN: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_PATH: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_PATH}(?:/{_PATH})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-fA-F]{32,}))?"
)
"""The grammar of the OCI distribution project (reference/regexp.go)."""


def seconds(text: str) -> float:
    """`500ms`, `30s`, `20m`, `1h30m`, `30d` in seconds; ValueError for anything else."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"'{text}' is not a duration")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def size_in_bytes(text: str) -> int:
    """`512MiB`, `1GiB`, `1.5GiB`, `512m` (as docker takes it), `1000` in bytes; ValueError for anything else."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is not a size")
    return int(float(match[1]) * _BYTES[match[2] or "B"])


def image_parts(reference: str) -> tuple[str, str, str]:
    """Name, tag and digest of an image reference, each of the last two maybe empty; ValueError for a bad one."""
    match = _REFERENCE.fullmatch(reference) if len(reference) <= 1024 else None
    if not match:
        raise ValueError(f"'{reference}' is not an image reference")
    return match["name"], match["tag"] or "", match["digest"] or ""
