"""What a run will be about: the source, the event, the pipeline file and the plan, before anything runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pipeline
from pipeline.diagnostic import Diagnostic
from pipeline.errors import DefinitionError, SourceError, UsageError
from pipeline.language.load import load_definition
from pipeline.model.definition import Definition
from pipeline.model.plan import Plan
from pipeline.model.source import Event, Source
from pipeline.operations.event import guess_event
from pipeline.operations.source import describe, git_environment
from pipeline.planning.planner import plan
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class StartRequest:
    """What the user asks for; None and "" leave the choice to the repository, the CI host and the settings."""

    repository: Path
    file: str = "pipeline.yml"
    revision: str = ""
    event: str | None = None
    branch: str | None = None
    tag: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    executor: str | None = None
    parallel: int | None = None
    keep_failed: bool = False
    """Leave the containers of stages that fail for `ecluse shell`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A plan with what was said of its file: warnings and hints, and the file's text for showing them."""

    plan: Plan
    definition: Definition
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, bytes]


def planned(app: Application, request: StartRequest) -> Planned:
    """Read and plan without running anything. Raises SourceError, DefinitionError, UsageError."""
    source = describe(request.repository, request.revision)
    event = _event(app, request, source)
    text = _pipeline_text(request, source)
    definition, diagnostics = _load(app, request.file, text)
    if any(stage.when.changed for stage in definition.stages):
        event = replace(event, changed=_changed(source, event))
    decided = plan(
        definition,
        event=event,
        source=source,
        overrides=request.variables,
        kinds=app.kinds,
        expressions=app.expressions,
    )
    return Planned(plan=decided, definition=definition, diagnostics=diagnostics, sources={request.file: text})


def _event(app: Application, request: StartRequest, source: Source) -> Event:
    event = guess_event(source, app.environment, app.settings)
    if request.event is not None:
        event = replace(event, kind=request.event)
    if request.branch is not None:
        event = replace(event, branch=request.branch)
    if request.tag is not None:
        event = replace(event, tag=request.tag)
    return event


def _pipeline_text(request: StartRequest, source: Source) -> bytes:
    if request.revision:
        answer = _git(source.path, "show", f"{source.commit.sha}:{request.file}")
        if answer is None:
            raise SourceError(
                f"commit {source.commit.short} has no file {request.file}",
                hint="name the pipeline file with --file, or write one with `ecluse init`",
            )
        return answer
    path = Path(source.path) / request.file
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a file", hint="name a file that can be read")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"there is no {request.file} in {source.path}",
            hint="write one with `ecluse init`, or name it with --file",
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error


def _load(app: Application, file: str, text: bytes) -> tuple[Definition, tuple[Diagnostic, ...]]:
    """The definition; a text that was found clean before is not checked again."""
    state = hashlib.sha256(text + b"\0" + pipeline.__version__.encode() + repr(sorted(app.kinds)).encode())
    mark = app.settings.home / "cache" / "checked" / state.hexdigest()
    clean = mark.exists()
    try:
        definition, diagnostics = load_definition(
            text, file=file, kinds=app.kinds, expressions=app.expressions, known_clean=clean
        )
    except DefinitionError as error:
        error.sources = {file: text}
        raise
    if not clean and not diagnostics:
        with suppress(OSError):
            mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            mark.touch()
    return definition, diagnostics


def _changed(source: Source, event: Event) -> tuple[str, ...] | None:
    """Paths that differ from the merge base with the default branch, or, on it, from the commit before; None where
    neither is known."""
    head = source.commit.sha
    default = (_git(source.path, "rev-parse", "--abbrev-ref", "origin/HEAD") or b"").decode().strip()
    base = b""
    if default and default != f"origin/{event.branch}":
        base = (_git(source.path, "merge-base", default, head) or b"").strip()
    if not base or base.decode() == head:
        base = (_git(source.path, "rev-parse", "--verify", "-q", f"{head}^") or b"").strip()
    if not base:
        return None
    against = [head] if source.revision or not source.commit.dirty else []
    listed = _git(source.path, "diff", "--name-only", "-z", "--no-renames", base.decode(), *against, "--")
    if listed is None:
        return None
    paths = {os.fsdecode(path) for path in listed.split(b"\0") if path}
    if source.commit.dirty:
        others = _git(source.path, "ls-files", "-o", "--exclude-standard", "-z") or b""
        paths |= {os.fsdecode(path) for path in others.split(b"\0") if path}
    return tuple(sorted(paths))


def _git(path: str, *arguments: str) -> bytes | None:
    answer = subprocess.run(
        ("git", "-C", path, *arguments),
        env=git_environment(),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return answer.stdout if answer.returncode == 0 else None
