"""How far a run is trusted, and what it may therefore read of others and leave to others."""

from __future__ import annotations

from enum import StrEnum


class Trust(StrEnum):
    """The level of a run: of a fork or an unknown author, of a branch, of a protected branch or tag."""

    UNTRUSTED = "untrusted"
    BRANCH = "branch"
    PROTECTED = "protected"


def writes_to(trust: Trust, proposal: str) -> str:
    """The scope into which a run's reuse entries, caches and layers go; an untrusted run's stay in its pull request."""
    return f"{trust.value}/{proposal or 'unknown'}" if trust is Trust.UNTRUSTED else trust.value


def reads_from(trust: Trust, proposal: str) -> tuple[str, ...]:
    """The scopes that a run believes, its own first: never one below its own level."""
    match trust:
        case Trust.PROTECTED:
            return (Trust.PROTECTED.value,)
        case Trust.BRANCH:
            return (Trust.BRANCH.value, Trust.PROTECTED.value)
        case Trust.UNTRUSTED:
            return (writes_to(trust, proposal), Trust.BRANCH.value, Trust.PROTECTED.value)
