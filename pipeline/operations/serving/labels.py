"""What a worker must have to make the run of a pipeline."""

from __future__ import annotations

from pipeline.model.definition import Definition


def labels_of(definition: Definition | None) -> tuple[str, ...]:
    """What a worker must have for this pipeline: a run stays on one, so all that any stage asks for."""
    stages = definition.stages if definition is not None else ()
    return tuple(sorted({label for stage in stages for label in stage.runs_on}))
