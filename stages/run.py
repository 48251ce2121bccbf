"""`run`: commands in a container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.run import Products
from pipeline.model.value import Value
from pipeline.ports.stage import Collected, Reuse, StageContext, StageResult
from stages.exits import exit_outcome


class Run:
    """Runs the stage's commands; the last failing one's exit code is the outcome."""

    name = "run"
    version = 1
    reuse = Reuse.ON_REQUEST
    effects = False

    def schema(self) -> Mapping[str, Value]:
        """The kind's own keys: none."""
        return schemas.load("stages/run")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """The schema says all."""
        return ()

    def run(self, context: StageContext) -> StageResult:
        """Run the commands, collect what was declared; collected also after a failure or a timeout."""
        ended = context.execute_commands()
        collected = context.collect()
        return StageResult(outcome=exit_outcome(ended, context), products=products_of(collected))


def products_of(collected: Collected) -> Products:
    """What a stage keeps of its collected files."""
    return Products(
        artifacts=collected.artifacts,
        tests=collected.tests,
        coverage=collected.coverage,
        findings=collected.findings,
    )


KIND = Run()
