"""Why a version is not fit to serve, in words for people."""

from __future__ import annotations


def with_log(reason: str, tail: str) -> str:
    """The reason, and below it the end of what it has written, where it wrote anything."""
    return reason + (f"\nthe end of its log:\n{tail}" if tail else "")
