"""Reads the stages that a stage of a run emitted, and plans them."""

from __future__ import annotations

from pipeline.errors import DefinitionError
from pipeline.model.plan import Plan, PlannedStage
from pipeline.ports.application import Application


def emitted_stages(app: Application, plan: Plan, emitter: PlannedStage, text: bytes) -> tuple[PlannedStage, ...]:
    """The stages of a file that `emitter` wrote, planned behind those of `plan`. DefinitionError with every problem."""
    raise DefinitionError(f"{emitter.stage.emits} cannot be read yet")
