"""The plan as it stands: stages may emit further ones while the run goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from pipeline.model.definition import Need
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

    def extend(self, stages: Sequence[PlannedStage], *, emitter: str) -> tuple[Plan, tuple[PlannedStage, ...]]:
        """Put what a stage emitted behind the stages that are there: the plan, and those of before that need all that
        the stage emits. They need each of them from now on, also when the run is taken up by another process."""
        with self._lock:
            widened = {
                planned.stage.name: more
                for planned in self._plan.stages
                if (more := _widened(planned, emitter, stages)) is not planned
            }
            before = (widened.get(planned.stage.name, planned) for planned in self._plan.stages)
            self._plan = replace(self._plan, stages=(*before, *stages))
            return self._plan, tuple(widened.values())


def _widened(planned: PlannedStage, emitter: str, stages: Sequence[PlannedStage]) -> PlannedStage:
    stage = planned.stage
    edge = next((need for need in stage.needs if need.stage == emitter and need.emitted), None)
    if edge is None or not stages:
        return planned
    more = tuple(Need(stage=item.stage.name, rule=edge.rule) for item in stages)
    return replace(planned, stage=replace(stage, needs=(*stage.needs, *more)))
