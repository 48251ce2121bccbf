"""Stages in an order in which each comes after all that it needs."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model.definition import StageDefinition


def in_order(stages: Sequence[StageDefinition]) -> tuple[StageDefinition, ...]:
    """Stages so that each comes after its needs; as written where both orders would do.

    Needs of stages that are not among them are passed over. The language has refused circles. Each edge costs once.
    """
    known = {stage.name: stage for stage in stages}
    placed: dict[str, StageDefinition] = {}
    for first in stages:
        path = [(first, iter(first.needs))]
        while path:
            stage, needs = path[-1]
            waiting = next((need.stage for need in needs if need.stage in known and need.stage not in placed), None)
            if waiting is not None:
                path.append((known[waiting], iter(known[waiting].needs)))
                continue
            placed.setdefault(stage.name, stage)
            path.pop()
    return tuple(placed.values())
