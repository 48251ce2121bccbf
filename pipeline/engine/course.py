"""The plan as it stands: stages may emit further ones while the run goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from pipeline.model.plan import Plan, PlannedStage


class Course:
    """Holds a run's plan, which only ever grows. Safe for several threads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()

    @property
    def plan(self) -> Plan:
        """The plan with all that was emitted until now."""
        with self._lock:
            return self._plan

    def extend(self, stages: Sequence[PlannedStage]) -> Plan:
        """Put further stages behind those that are there."""
        with self._lock:
            self._plan = replace(self._plan, stages=(*self._plan.stages, *stages))
            return self._plan
