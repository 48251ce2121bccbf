"""Names of the anchor: an image of a tiny program that does nothing and of the depot's first folders."""

from __future__ import annotations

ANCHOR = "ecluse-anchor:1f69b5429d4f"
"""The image's name; the tag is the digest of its content (`anchor_image.digest`). It belongs to no run: every
installation on an engine uses the same few bytes."""
PROGRAM = "/anchor"
FURNITURE = "data"
"""The folder whose content the engine copies into a new volume mounted there."""
