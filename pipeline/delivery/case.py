"""One promotion as the gates see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate_facts import GateFacts
from pipeline.model.release import Release


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Which release wants to enter which environment, what is known, and what time it is."""

    release: Release
    environment: EnvironmentDefinition
    facts: GateFacts
    now: datetime
