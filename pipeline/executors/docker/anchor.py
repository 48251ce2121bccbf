"""Names of the anchor: an image of a tiny program that does nothing and of the depot's first folders."""

from __future__ import annotations

ANCHOR = "ecluse-anchor:d79b1ca64db3"
"""The image's name; the tag is the digest of its content (`anchor_image.digest`). It belongs to no run: every
installation on an engine uses the same few bytes."""
PROGRAM = "/anchor"
FURNITURE, FEW_FURNITURE = "data", "few"
"""The folders whose content the engine copies into a new volume mounted there; the other one for a small run."""
