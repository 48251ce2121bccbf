"""Reads the stages that a stage of a run emitted, and plans them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.diagnostic import Diagnostic
from pipeline.errors import DefinitionError, RefusedError
from pipeline.language.behind import Behind, cells_of, written
from pipeline.language.emitted import load_emitted
from pipeline.model.permission import distrusted
from pipeline.model.plan import Plan, PlannedStage
from pipeline.operations.tree import source_tree
from pipeline.planning.planner import plan_emitted
from pipeline.ports.application import Application

MAX_STAGES: Final = 1000
"""Stages, cells counted, that one stage may emit."""


def emitted_stages(app: Application, plan: Plan, emitter: PlannedStage, text: bytes) -> tuple[PlannedStage, ...]:
    """The stages of a file that `emitter` wrote, planned behind those of `plan`.

    DefinitionError with every problem, at its place in that file; RefusedError for an untrusted run.
    """
    stage = emitter.stage
    if distrusted(plan.event):
        raise RefusedError(
            f"stage '{stage.name}' emits stages, which an untrusted run may not",
            hint="let somebody who is trusted allow this run",
        )
    file = f"{stage.emits} of stage {stage.name}"
    if any(item.stage.position.file == file for item in plan.stages):
        return ()  # it runs again in a retry: same commit, same plan, so what it emitted is there
    before = [planned.stage for planned in plan.stages]
    behind = Behind(
        emitter=stage.name,
        stages=written(before),
        cells=cells_of(before),
        environments=plan.environments,
        variables=plan.variables,
    )
    found = load_emitted(text, file=file, behind=behind, kinds=app.kinds, expressions=app.expressions)
    try:
        stages = plan_emitted(plan, found, kinds=app.kinds, expressions=app.expressions, tree=source_tree(plan.source))
        _bounded(stages, emitter, file)
    except DefinitionError as error:
        error.sources = {file: text}
        raise
    return stages


def _bounded(stages: Sequence[PlannedStage], emitter: PlannedStage, file: str) -> None:
    if len(stages) > MAX_STAGES:
        message = f"stage '{emitter.stage.name}' emits {len(stages):,} stages, more than {MAX_STAGES:,}"
        problem = Diagnostic(code="emits", message=message, position=stages[0].stage.position)
        raise DefinitionError(f"{file} has 1 error", diagnostics=(problem,))
