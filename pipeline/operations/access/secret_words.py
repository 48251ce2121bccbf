"""Secrets that the server makes: 256 random bits, known to their owner, kept here as a digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_PREFIX = "ecl_"  # noqa: S105 - what tokens begin with, so that scanners of sources find them
_BYTES = 32


def new_secret(prefix: str = "") -> str:
    """A secret that nobody has seen yet, in the characters of URLs."""
    return prefix + secrets.token_urlsafe(_BYTES)


def digest_of(secret: str) -> str:
    """SHA-256 in hex: of 256 random bits nobody finds the origin, so no slow hash is needed."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def derived(secret: str, purpose: str) -> str:
    """Another secret out of one, for one purpose; it tells nothing of the first."""
    return hmac.new(secret.encode(errors="surrogatepass"), purpose.encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))
