"""Build: a folder of the workspace and its Dockerfile become an image on the engine."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from datetime import UTC

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.outcome import Outcome, failed, succeeded
from pipeline.model.run import Products
from pipeline.model.value import Value
from pipeline.ports.images import BuildFailure, BuildSpec
from pipeline.ports.stage import Reuse, StageContext, StageResult
from stages.build_context import build_context
from stages.dockerfile import find, has_stage, stage_names
from stages.dockerignore import Dockerignore

LOCAL = "ecluse-local"
"""Built images are kept as `ecluse-local/<installation, 8>/<pipeline>-<stage>:<run>`; `gc` finds them by that."""
SHOWN = 100
"""Characters of a failed step that the reason shows."""


class Build:
    """The labels `org.opencontainers.image.{title,revision,created,source}` are set unless `labels` says otherwise;
    `created` is the commit's time, so that the same commit gives the same labels."""

    name = "build"
    version = 1
    reuse = Reuse.ALWAYS
    effects = False

    def schema(self) -> Mapping[str, Value]:
        """See `schemas/stages/build.schema.json`."""
        return schemas.load("stages/build")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """Folders outside of the repository, and secrets for a builder that has none."""
        for key in ("context", "dockerfile"):
            path = stage.options.get(key, "")
            if isinstance(path, str) and "${{" not in path and _outside(path):
                yield Diagnostic(
                    code="outside", message=f"'{key}' leaves the repository: '{path}'", position=stage.position
                )
        if stage.options.get("builder") == "classic" and stage.secrets:
            yield Diagnostic(
                code="no-build-secrets",
                message=f"stage '{stage.name}' has secrets, which the classic builder cannot give to a build",
                position=stage.position,
                note="write `builder: buildkit`, or leave it out",
            )

    def run(self, context: StageContext) -> StageResult:
        """Build; a failed step is a failed stage whose reason is the step's line in the Dockerfile."""
        options = context.stage.options
        folder = _plain(_text(options.get("context")) or ".")
        name = _plain(_text(options.get("dockerfile")) or "Dockerfile")
        shown = posixpath.normpath(posixpath.join(folder, name))
        target = _text(options.get("target"))
        dockerfile = None if _outside(folder) or _outside(name) else _read(context, posixpath.join(folder, name))
        if dockerfile is None:
            return StageResult(
                outcome=failed(f"there is no {shown}", hint="write it, or say where it is: `context:`, `dockerfile:`")
            )
        if target and not has_stage(dockerfile, target):
            known = ", ".join(stage_names(dockerfile)) or "none"
            return StageResult(outcome=failed(f"{shown} has no stage '{target}'", hint=f"its stages: {known}"))
        rules = Dockerignore(
            _read(context, posixpath.join(folder, f"{name}.dockerignore"))
            or _read(context, posixpath.join(folder, ".dockerignore"))
            or ""
        )
        archive = build_context(
            context.archive_workspace(folder),
            context.source.commit.time,
            ignores=lambda path: path != name and rules.ignores(path),
        )
        built = context.images.build(archive, _spec(context, name, target), output=context.log, cancel=context.cancel)
        if built.failure is not None:
            return StageResult(outcome=_failure(built.failure, shown, dockerfile, built.builder))
        assert built.image is not None  # noqa: S101 # the port promises one of both
        size = f"{built.image.size / 1e6:.1f} MB"
        return StageResult(
            outcome=succeeded(f"{built.image.id[:19]}, {size}, built by {built.builder}"),
            products=Products(image=built.image, outputs={"id": built.image.id}),
        )


def reference(context: StageContext) -> str:
    """The local name of the image that this stage of this run builds."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{context.pipeline}-{context.stage.name}".lower()).strip("-")
    return f"{LOCAL}/{context.settings.installation[:8]}/{name}:{context.run_id}"


def _spec(context: StageContext, dockerfile: str, target: str) -> BuildSpec:
    options = context.stage.options
    return BuildSpec(
        reference=reference(context),
        dockerfile=dockerfile,
        target=target,
        args=_texts(options.get("args")),
        labels={**_annotations(context), **_texts(options.get("labels"))},
        builder=_text(options.get("builder")) or "auto",
        scope=context.scope,
        secrets={name: context.secret(name) for name in context.stage.secrets},
    )


def _annotations(context: StageContext) -> Mapping[str, str]:
    """The OCI image specification's annotations that a build can know, as labels."""
    commit = context.source.commit
    labels = {
        "title": context.pipeline,
        "revision": f"{commit.sha}-dirty" if commit.dirty else commit.sha,
        "created": commit.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if context.source.origin:
        labels["source"] = context.source.origin
    return {f"org.opencontainers.image.{key}": value for key, value in labels.items()}


def _failure(failure: BuildFailure, shown: str, dockerfile: str, builder: str) -> Outcome:
    """`Dockerfile:7 'RUN pip install …' exit 1`."""
    instruction = find(dockerfile, failure.step) if failure.step else None
    line = failure.line or (instruction.line if instruction else 0)
    place = f"{shown}:{line}" if line else shown
    text = " ".join((instruction.text if instruction else failure.step).split())
    text = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    said = _said(failure.message)
    if text:
        reason = f"{place} '{text}' exit {failure.code}" if failure.code is not None else f"{place} '{text}': {said}"
    else:
        reason = f"{place}: {said}"
    hint = "this step needs BuildKit: `builder: buildkit`" if builder == "classic" and "BuildKit" in said else ""
    return failed(reason, hint=hint)


def _said(message: str) -> str:
    line = message.strip().splitlines()[0] if message.strip() else "the builder gave no reason"
    noise = r"^(?:failed to compute cache key: |dockerfile parse error (?:on )?line \d+: |(?:COPY|ADD) failed: )+"
    return re.sub(noise, "", line)


def _read(context: StageContext, path: str) -> str | None:
    """A text file of the workspace, or None."""
    path = posixpath.normpath(path)
    pattern = re.sub(r"([*?\[])", r"[\1]", path)
    for file in context.read_workspace((pattern,)):
        if file.path == path:
            return file.content.read().decode(errors="replace")
    return None


def _outside(path: str) -> bool:
    return path.startswith("/") or ".." in path.split("/")


def _plain(path: str) -> str:
    return posixpath.normpath(path) if not _outside(path) else path


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Value) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {name: item if isinstance(item, str) else str(item) for name, item in value.items()}


KIND = Build()
