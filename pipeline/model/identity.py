"""Names and labels of everything that Écluse creates on an engine, so that it can be found again and only it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

_SAFE = re.compile(r"[a-z][a-z0-9_]*")
_UNSAFE = re.compile(r"[^a-zA-Z0-9_.-]+")

LABEL_INSTALLATION = "io.ecluse.installation"
LABEL_RUN = "io.ecluse.run"
LABEL_STAGE = "io.ecluse.stage"
LABEL_ATTEMPT = "io.ecluse.attempt"
LABEL_STEP = "io.ecluse.step"
LABEL_ROLE = "io.ecluse.role"
LABEL_SPEC = "io.ecluse.spec"
LABEL_ENVIRONMENT = "io.ecluse.environment"
LABEL_RELEASE = "io.ecluse.release"
LABEL_PROMOTION = "io.ecluse.promotion"

TRIAL = "probe-"
"""How the name begins under which an engine is tried out, where a run has its id."""

ROLE_STAGE = "stage"
ROLE_SERVICE = "service"
ROLE_SANDBOX = "sandbox"
ROLE_WORKSPACE = "workspace"
ROLE_NETWORK = "network"
ROLE_KEPT = "kept"
"""Marks what is left for a person to look into."""
ROLE_TARGET = "target"
"""A deployed container: never touched by `gc`, only by promotions of its environment."""


def safe_name(stage: str) -> str:
    """A stage's name as a file or an object on an engine may be called; cells keep apart by a digest.

    `unit` stays `unit`; `unit:3.10,sqlite` becomes `unit_3.10_sqlite-1f2e3d4c`.
    """
    if _SAFE.fullmatch(stage):
        return stage
    return f"{_UNSAFE.sub('_', stage)[:60]}-{hashlib.sha256(stage.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunIdentity:
    """Which installation and run an object on the engine belongs to; `run` is a ULID in lower case."""

    installation: str
    run: str

    def labels(self, role: str, **more: str) -> Mapping[str, str]:
        """Labels of an object of this run; further keywords become `io.ecluse.<keyword>`."""
        return {
            LABEL_INSTALLATION: self.installation,
            LABEL_RUN: self.run,
            LABEL_ROLE: role,
            **{f"io.ecluse.{key}": value for key, value in more.items()},
        }

    def name(self, *parts: str) -> str:
        """A deterministic object name: `ecluse-<installation, 8>-<run>-<parts>`, at most 200 characters."""
        text = "-".join((f"ecluse-{self.installation[:8]}-{self.run}", *map(_object_name, parts)))
        if len(text) <= 200:
            return text
        return text[:180] + "-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _object_name(part: str) -> str:
    """A part of a name; what an engine does not take is replaced, kept apart by a digest."""
    return safe_name(part) if _UNSAFE.search(part) else part
