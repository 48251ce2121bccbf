"""Whoever sends many webhooks with wrong signatures waits before the next one is looked at."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from math import ceil

ALLOWED = 30
"""Wrong ones of an address within `SECONDS`."""
SECONDS = 60.0
MOST = 10_000
"""Addresses that are remembered."""


class WrongSignatures:
    """Counts by address, an IPv6 network of 64 bits as one. Times are those of a clock that never goes back."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, int]] = {}

    def wait(self, address: str, now: float) -> int:
        """Seconds that this address has to wait; 0 = it may."""
        since, count = self._counts.get(_place(address), (now, 0)) if self._counts else (now, 0)
        left = since + SECONDS - now
        return ceil(left) if count >= ALLOWED and left > 0 else 0

    def note(self, address: str, now: float) -> None:
        """One more."""
        place = _place(address)
        since, count = self._counts.pop(place, (now, 0))
        if now - since >= SECONDS:
            since, count = now, 0
        if len(self._counts) >= MOST:
            self._counts.pop(next(iter(self._counts)))
        self._counts[place] = (since, count + 1)


def _place(address: str) -> str:
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped) if known.ipv4_mapped else known.exploded[:19]
    return str(known)
