"""Passwords: Argon2id with the parameters of RFC 9106 for little memory, never more than a few at a time."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 12
LONGEST = 1024
"""Longer ones are no safer, and hashing them is work for others to give us."""
_AT_ONCE = threading.BoundedSemaphore(2)
"""Each takes 64 MiB; more askers wait."""


def hashed(password: str, *, login: str) -> str:
    """What may be kept of it. UsageError for one that is too easy."""
    if complaint := weakness(password, login=login):
        raise UsageError(f"the password {complaint}", hint="a sentence of four rare words is long and easy to keep")
    with _AT_ONCE:
        return _hasher().hash(password)


def weakness(password: str, *, login: str) -> str:
    """Why a password will not do, as the end of a sentence; "" where it will."""
    if len(password) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if len(set(password)) < 5:
        return "has fewer than 5 different characters"
    if login and login.lower() in password.lower() and len(password) < len(login) + SHORTEST:
        return "is little more than the login"
    return ""


def matches(stored: str, password: str) -> bool:
    """Whether it is the password. It takes as long where nothing is stored, so nobody learns who has an account."""
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            _hasher().verify(stored or _nobodys(), password)
            return bool(stored)
        except (VerificationError, InvalidHashError):
            return False


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _nobodys() -> str:
    return _hasher().hash("the password of nobody")
