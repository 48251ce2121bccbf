"""Which weights give a new version its share of the traffic."""

from __future__ import annotations

MOST = 256
"""HAProxy's largest weight."""
FULL = 100
"""The weight of every server while one version has all of the traffic."""


def weights(share: int, *, new: int, old: int) -> tuple[int, int]:
    """The weight of each of `new` and of `old` servers so that the new ones together get `share` percent.

    Each server of one version has the same weight. Among those that come nearest, the largest are taken.
    """
    if share >= 100 or old == 0:
        return FULL, 0
    if share <= 0 or new == 0:
        return 0, FULL
    best, error = (1, 1), float("inf")
    for mine in range(MOST, 0, -1):
        theirs = min(MOST, max(1, round(mine * new * (100 - share) / (share * old))))
        off = abs(100 * mine * new / (mine * new + theirs * old) - share)
        if off < error - 1e-9:
            best, error = (mine, theirs), off
    return best
