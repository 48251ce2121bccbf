"""Whether a webhook is from whom it says: HMACs and shared tokens, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

WINDOW = 300
"""Seconds that a signed time may lie in the past or, for clocks that differ, in the future."""


def hex_hmac(secret: bytes, *parts: bytes) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.digest(secret, parts[0] if len(parts) == 1 else b"".join(parts), "sha256").hex()


def same(told: str, right: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(told.encode("utf-8", "surrogateescape"), right.encode())


def same_token(told: str, secret: bytes) -> bool:
    """As `same`, for a shared token; digests are compared, so that its length does not show either."""
    return hmac.compare_digest(_digest(told.encode("utf-8", "surrogateescape")), _digest(secret))


def first(headers: Mapping[str, str], *names: str) -> str:
    """The first of these headers that is there; "" = none."""
    return next((headers[name] for name in names if headers.get(name)), "")


def in_window(stamp: str, now: datetime) -> bool:
    """Whether a time in seconds since 1970 is about now."""
    return stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 and abs(now.timestamp() - int(stamp)) <= WINDOW


def standard_webhook(headers: Mapping[str, str], body: bytes, secret: bytes, now: datetime) -> bool:
    """By the headers of Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

    The key is what follows `whsec_` in the secret, in base64; the secret's own bytes where it has no such form.
    """
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    message = f"{name}.{stamp}.".encode("utf-8", "surrogateescape")
    right = base64.b64encode(hmac.digest(_standard_key(secret), message + body, "sha256")).decode()
    held = [same(told, f"v1,{right}") for told in headers.get("webhook-signature", "").split(" ")[:10]]
    return any(held) and bool(name) and in_window(stamp, now)


def _standard_key(secret: bytes) -> bytes:
    if not secret.startswith(b"whsec_"):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        return secret


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def body_key(body: bytes) -> str:
    """What names a delivery by what it says."""
    return "sha256:" + hashlib.sha256(body).hexdigest()
