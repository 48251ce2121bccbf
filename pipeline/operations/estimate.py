"""How long a plan will take, judged by earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.model.plan import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """The chain of stages that decides how long the run takes, and its seconds; median times of each stage."""

    path: tuple[str, ...]
    seconds: float
    stages: Mapping[str, float]


def estimate(plan: Plan, known: Mapping[str, float]) -> Estimate | None:
    """The critical path through the stages that will run; None when no stage was ever timed."""
    ends: dict[str, tuple[float, tuple[str, ...]]] = {}
    for planned in plan.stages:
        stage = planned.stage
        before = max((ends[need.stage] for need in stage.needs if need.stage in ends), default=(0.0, ()))
        if planned.skip is not None or planned.reused:
            ends[stage.name] = before
        else:
            ends[stage.name] = (before[0] + known.get(stage.name, 0.0), (*before[1], stage.name))
    seconds, path = max(ends.values(), default=(0.0, ()))
    if seconds == 0.0:
        return None
    return Estimate(path=path, seconds=seconds, stages={name: known[name] for name in ends if name in known})
