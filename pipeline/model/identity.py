"""Names and labels of everything that Écluse creates on an engine, so that it can be found again and only it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

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

ROLE_STAGE = "stage"
ROLE_SERVICE = "service"
ROLE_SANDBOX = "sandbox"
ROLE_WORKSPACE = "workspace"
ROLE_NETWORK = "network"
ROLE_TARGET = "target"
"""A deployed container: never touched by `gc`, only by promotions of its environment."""


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
        text = "-".join((f"ecluse-{self.installation[:8]}-{self.run}", *parts))
        if len(text) <= 200:
            return text
        return text[:180] + "-" + hashlib.sha256(text.encode()).hexdigest()[:16]
