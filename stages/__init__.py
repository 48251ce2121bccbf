"""The built-in stage kinds: one module a kind, each reached through the entry-point group `ecluse.stages`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "build": "stages.build:KIND",
    "checkout": "stages.checkout:KIND",
    "deploy": "stages.deploy:KIND",
    "push": "stages.push:KIND",
    "run": "stages.run:KIND",
    "scan": "stages.scan:KIND",
    "smoke": "stages.smoke:KIND",
    "test": "stages.test:KIND",
}
"""Kind name to `module:object`; the object is a `pipeline.ports.stage.StageKind`, imported when a file uses it."""
