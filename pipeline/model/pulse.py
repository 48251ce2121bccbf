"""Where a run and its stages stand, without what they made: what somebody who watches is told again and again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.model.status import Conclusion, RunState, StageState


@dataclass(frozen=True, kw_only=True, slots=True)
class StagePulse:
    """One stage."""

    name: str
    state: StageState
    conclusion: Conclusion | None
    started: datetime | None
    finished: datetime | None
    parked: str
    attempts: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulse:
    """A run; its stages in the order of the plan."""

    run: str
    state: RunState
    conclusion: Conclusion | None
    stages: tuple[StagePulse, ...]
