"""`scan`: list what is in an image, and look for known vulnerabilities, secrets and bad Dockerfile lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.value import Value
from pipeline.ports.stage import Reuse, StageContext, StageResult
from stages.graph import ancestors
from stages.scanning.request import DOCKERFILE, scan_request


class Scan:
    """Runs real scanners in containers of their own and joins what they say.

    Reused only where the file asks for it: a new advisory changes the result, and no input of the stage tells.
    """

    name = "scan"
    version = 2
    reuse = Reuse.ON_REQUEST
    effects = False

    def schema(self) -> Mapping[str, Value]:
        """`of`, `checks`, `fail_on`, `dockerfile`."""
        return schemas.load("stages/scan")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """`of` must name a build stage that is done before; it may be missing only where nothing asks for an image."""
        request = scan_request(stage)
        if not request.of:
            if request.wants_image or (DOCKERFILE in request.checks and not request.dockerfile):
                yield _problem(stage, "missing-key", f"stage '{stage.name}' needs `of`, the build stage to scan")
            return
        if "${{" in request.of:
            return
        of = request.of.partition(":")[0]
        build = next((item for item in definition.stages if item.name == of), None)
        if build is None:
            names = [item.name for item in definition.stages if item.kind == "build"]
            note = f"build stages: {', '.join(names)}" if names else "there is no build stage"
            yield _problem(
                stage, "unknown-stage", f"stage '{stage.name}' scans '{request.of}', which does not exist", note
            )
        elif build.kind != "build":
            yield _problem(
                stage,
                "wrong-kind",
                f"stage '{stage.name}' scans '{request.of}', which is a {build.kind} and not a build",
            )
        elif of not in ancestors(stage, definition.stages):
            yield _problem(
                stage, "missing-need", f"stage '{stage.name}' scans '{request.of}', but does not need it",
                f"add it: needs: [{request.of}]",
            )  # fmt: skip

    def run(self, context: StageContext) -> StageResult:
        """Scan; findings at or over `fail_on` fail the stage, a check that could not run makes it errored."""
        from stages.scanning.scanning import Scanning

        return Scanning(context, scan_request(context.stage)).run()


def _problem(stage: StageDefinition, code: str, message: str, note: str = "") -> Diagnostic:
    return Diagnostic(code=code, message=message, position=stage.position, note=note)


KIND = Scan()
