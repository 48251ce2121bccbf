"""What a run will be about: the source, the event, the pipeline file and the plan, before anything runs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.diagnostic import Diagnostic
from pipeline.engine.reuse_rules import ReuseRules
from pipeline.errors import DefinitionError, SourceError, UsageError
from pipeline.language.load import Written, read_pipeline
from pipeline.model.definition import Definition
from pipeline.model.job import Job
from pipeline.model.plan import Plan
from pipeline.model.policy import Policy, Protected
from pipeline.model.source import Event, Source
from pipeline.model.tree import Tree
from pipeline.model.trust import Trust, reads_from
from pipeline.operations.changed import ChangedPaths
from pipeline.operations.defining import defined
from pipeline.operations.event import guess_event, trust_of
from pipeline.operations.includes import RepositoryIncludes
from pipeline.operations.origins import environments_for, protected_branches
from pipeline.operations.policy import policy_of
from pipeline.operations.reuse import look_up
from pipeline.operations.source import describe, git_environment
from pipeline.operations.tree import source_tree
from pipeline.planning.planner import plan
from pipeline.planning.reviews import with_reviews
from pipeline.planning.triggers import Triggered, judge_triggers
from pipeline.ports.application import Application
from pipeline.ports.records import StageHistory

_READS_CHANGED = re.compile(rb"\bchanged\b(?!:)|\?[^\n]*\bchanged:")
"""The fact `changed`, which an expression may read; the key of `when` is followed by a colon."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StartRequest:
    """What the user asks for; None and "" leave the choice to the repository, the CI host and the settings."""

    repository: Path
    file: str = "pipeline.yml"
    revision: str = ""
    event: str | None = None
    branch: str | None = None
    tag: str | None = None
    target: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    executor: str | None = None
    parallel: int | None = None
    fresh: tuple[str, ...] = ()
    """Stages that are to run whatever earlier results there are; `*`: all."""
    keep_failed: bool = False
    """Leave the containers of stages that fail for `ecluse shell`."""
    job: Job | None = None
    """What a server knows of the event; then nothing is guessed from this process's variables."""
    run: str = ""
    """The id that the run gets; "" = a new one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A plan with what was said of its files: warnings and hints, and the files' texts for showing them."""

    plan: Plan
    definition: Definition
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, bytes]
    trigger: Triggered
    """Whether the event starts a run, by the file's `triggers`."""
    rules: ReuseRules | None = None
    """How results are reused; None where no stage can be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """What a run would be about, before it is planned."""

    source: Source
    event: Event
    written: Written
    definition: Definition
    diagnostics: tuple[Diagnostic, ...]
    changes: ChangedPaths
    trigger: Triggered
    policy: Policy


def prepared(
    app: Application, request: StartRequest, *, described: Callable[[Source], None] = lambda _: None
) -> Prepared:
    """Read the repository and the pipeline file. Raises SourceError, DefinitionError, UsageError.

    `described` is told of the source as soon as it is known.
    """
    source = describe(request.repository, request.revision)
    described(source)
    event = _event(app, request, source)
    written = read_pipeline(
        _pipeline_text(request, source), file=request.file, includes=_includes(app, request, source, event)
    )
    policy = policy_of(app.settings)
    definition, diagnostics = defined(app, written, environments=policy.environments)
    event = _as_protected(app, request, source, event, policy.protected.get(definition.name))
    definition = with_reviews(definition, event, protected=protected_branches(app.settings, policy, definition.name))
    changes = ChangedPaths(source, event, lambda: _histories(app, source, event))
    trigger = judge_triggers(definition.triggers, event, lambda: changes.of_event)
    if any(_READS_CHANGED.search(text) for text in written.texts.values()):
        found = changes.of_event
        event = replace(event, changed=found.paths, base=found.base, base_reason=found.reason)
    return Prepared(
        source=source,
        event=event,
        written=written,
        definition=definition,
        diagnostics=diagnostics,
        changes=changes,
        trigger=trigger,
        policy=policy,
    )


def planned(
    app: Application, request: StartRequest, *, described: Callable[[Source], None] = lambda _: None
) -> Planned:
    """Read and plan without running anything. Raises SourceError, DefinitionError, UsageError."""
    found = prepared(app, request, described=described)
    source = found.source
    tree = source_tree(source)
    try:
        places = environments_for(
            app,
            source=source,
            event=found.event,
            policy=found.policy,
            own=found.definition,
            overrides=request.variables,
            tree=tree,
        )
        decided = plan(
            found.definition,
            event=found.event,
            source=source,
            overrides=request.variables,
            kinds=app.kinds,
            expressions=app.expressions,
            tree=tree,
            timings=lambda stage: _timings(app, source, stage, tree),
            changes=found.changes.of_stage,
            environments=places.environments,
        )
    except DefinitionError as error:
        error.sources = found.written.texts
        raise
    executor = request.executor or app.settings.executor
    decided, rules = look_up(app, decided, tree, executor=executor, fresh=request.fresh)
    return Planned(
        plan=decided,
        rules=rules,
        definition=found.definition,
        diagnostics=(*found.diagnostics, *places.diagnostics),
        sources=found.written.texts,
        trigger=found.trigger,
    )


def _timings(app: Application, source: Source, stage: str, tree: Tree) -> Mapping[str, float]:
    """Seconds of each test file of a stage; imported only where a stage is split by them."""
    from pipeline.operations.timings import file_seconds

    return file_seconds(app.records.file_times(repository=repository(source), stage=stage), tree)


def repository(source: Source) -> str:
    """The key under which the runs of a source are recorded."""
    return source.origin or source.path


def _histories(app: Application, source: Source, event: Event) -> Mapping[str, StageHistory]:
    levels = [Trust(scope) for scope in reads_from(event.trust, event.proposal) if scope in set(Trust)]
    return app.records.stage_histories(repository(source), event.branch, trust=levels)


def _includes(app: Application, request: StartRequest, source: Source, event: Event) -> RepositoryIncludes:
    return RepositoryIncludes(
        app.settings,
        Path(source.path),
        request.file,
        commit=source.commit.sha if request.revision else "",
        trust=lambda: event.trust,
    )


def _event(app: Application, request: StartRequest, source: Source) -> Event:
    if request.job is not None:
        return replace(request.job.event, trust=trust_of(request.job, source, app.settings))
    event = guess_event(source, app.environment, app.settings)
    if request.event is not None:
        event = replace(event, kind=request.event)
    if request.branch is not None:
        event = replace(event, branch=request.branch)
    if request.tag is not None:
        # a tag that is named is not on the branch that happens to be checked out
        branch = "" if request.tag and request.branch is None else event.branch
        event = replace(event, tag=request.tag, branch=branch)
    if request.target is not None:
        event = replace(event, target=request.target)
    return event


def _as_protected(
    app: Application, request: StartRequest, source: Source, event: Event, protected: Protected | None
) -> Event:
    """How far the run is trusted where the policy says which branches and tags of this pipeline are protected; what a
    CI host says itself stands."""
    if protected is None or not event.host:
        return event
    settings = replace(app.settings, protected_branches=protected.branches, protected_tags=protected.tags)
    if request.job is not None:
        return replace(event, trust=trust_of(request.job, source, settings))
    return replace(event, trust=guess_event(source, app.environment, settings).trust)


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


def _git(path: str, *arguments: str) -> bytes | None:
    answer = subprocess.run(
        ("git", "-C", path, *arguments),
        env=git_environment(),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return answer.stdout if answer.returncode == 0 else None
