"""The revisions of the schema; apart from the migrations, so that asking costs no import."""

from __future__ import annotations

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every revision in order; the last is what this program works with. A test holds them against the migrations."""
