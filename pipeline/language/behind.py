"""What a run has when one of its stages emits further ones: the stages, environments and variables they may name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pipeline.model.definition import EnvironmentDefinition, Need, StageDefinition


@dataclass(frozen=True, kw_only=True, slots=True)
class Behind:
    """The plan as a file would have written it: one stage for all of its cells."""

    emitter: str
    """The stage of the plan that emitted, cell and all."""
    stages: tuple[StageDefinition, ...]
    cells: Mapping[str, Mapping[str, Mapping[str, str]]]
    """Of each written stage that has cells: what stands behind the colon of their names, and their values."""
    environments: tuple[EnvironmentDefinition, ...]
    variables: Mapping[str, str]


def written(stages: Iterable[StageDefinition]) -> tuple[StageDefinition, ...]:
    """The stages of a plan as they were written: each once, needing others as they were written."""
    first: dict[str, StageDefinition] = {}
    groups: dict[str, str] = {}
    for stage in stages:
        groups[stage.name] = stage.written
        first.setdefault(stage.written, stage)
    return tuple(
        replace(
            stage,
            name=name,
            group="",
            cell={},
            needs=tuple(Need(stage=other) for other in dict.fromkeys(groups[need.stage] for need in stage.needs)),
        )
        for name, stage in first.items()
    )


def cells_of(stages: Iterable[StageDefinition]) -> dict[str, dict[str, Mapping[str, str]]]:
    """The cells of a plan's stages by the stage as it was written."""
    found: dict[str, dict[str, Mapping[str, str]]] = {}
    for stage in stages:
        if stage.group:
            found.setdefault(stage.group, {})[stage.name.partition(":")[2]] = stage.cell
    return found


def with_emitter(stages: Iterable[StageDefinition], emitter: str) -> tuple[StageDefinition, ...]:
    """Stages with an edge to their emitter for each that needs neither it nor another emitted one."""
    found = tuple(stages)
    own = {stage.name for stage in found} | {emitter, emitter.partition(":")[0]}
    return tuple(
        stage
        if any(need.stage in own for need in stage.needs)
        else replace(stage, needs=(*stage.needs, Need(stage=emitter)))
        for stage in found
    )
