"""Which build stage a stage takes its image from: checked in the file, found in the run."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.diagnostic import Diagnostic
from pipeline.errors import UsageError
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.run import BuiltImage
from pipeline.ports.stage import StageContext
from stages.graph import ancestors


def image_problems(stage: StageDefinition, definition: Definition, *, key: str) -> Iterable[Diagnostic]:
    """The key must name a build stage that this stage needs, directly or through others."""
    name = stage.options.get(key)
    if not isinstance(name, str) or "${{" in name:
        return
    name = name.partition(":")[0]
    stages = {item.name: item for item in definition.stages}
    if name not in stages or stages[name].kind != "build":
        builds = ", ".join(f"'{item.name}'" for item in definition.stages if item.kind == "build")
        yield Diagnostic(
            code="not-a-build",
            message=f"'{key}' of stage '{stage.name}' names '{name}', which is not a build stage",
            position=stage.position,
            note=f"build stages: {builds}" if builds else "there is no build stage",
        )
    elif name not in ancestors(stage, definition.stages):
        yield Diagnostic(
            code="not-needed",
            message=f"stage '{stage.name}' takes the image of '{name}' without needing it",
            position=stage.position,
            note=f"add '{name}' to its needs",
        )


def built_image(context: StageContext, *, key: str) -> BuiltImage:
    """The image of the stage that the key names. Raises UsageError when that stage left none."""
    name = str(context.stage.options.get(key) or "")
    image = context.stage_run(name).products.image
    if image is None:
        raise UsageError(f"stage '{name}' left no image", hint=f"let '{key}' name a build stage that succeeded")
    return image
