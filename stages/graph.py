"""Who needs whom, at any distance."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.model.definition import StageDefinition


def ancestors(stage: StageDefinition, stages: Iterable[StageDefinition]) -> frozenset[str]:
    """The names of all stages that this one needs, directly or through others."""
    known = {item.name: item for item in stages}
    found: set[str] = set()
    ahead = [need.stage for need in stage.needs]
    while ahead:
        name = ahead.pop()
        if name not in found and name in known:
            found.add(name)
            ahead += [need.stage for need in known[name].needs]
    return frozenset(found)
