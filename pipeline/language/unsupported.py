"""Keys that the file format has and this version does not: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNSUPPORTED: Final[Mapping[str, frozenset[str]]] = {
    "file": frozenset({"gates", "inputs"}),
    "environment": frozenset({"concurrency", "notify"}),
    "target": frozenset({"compose", "kubernetes"}),
}
"""Frame of the file to its keys; the frame names are those of the schemas' `x-frame`."""
