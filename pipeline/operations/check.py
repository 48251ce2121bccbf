"""Checking a pipeline file, with all that it includes, as it stands in the working tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.diagnostic import Diagnostic, Severity
from pipeline.errors import DefinitionError, SourceError, UsageError
from pipeline.language.load import define, read_pipeline
from pipeline.model.definition import Definition
from pipeline.model.policy import Policy
from pipeline.model.trust import Trust
from pipeline.operations.event import guess_event
from pipeline.operations.includes import RepositoryIncludes
from pipeline.operations.lockfile import Pin, lock_of, write_lock
from pipeline.operations.policy import policy_of, read_policy, unknown_groups
from pipeline.operations.source import describe
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a file asks for, if it could be understood, and everything there is to say about it and its includes."""

    file: str
    definition: Definition | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, bytes]
    pins: tuple[Pin, ...] = ()
    """What the lock file was given, where it was to be written."""

    @property
    def errors(self) -> int:
        """How many problems stop it."""
        return sum(item.severity is Severity.ERROR for item in self.diagnostics)


def check(app: Application, root: Path, *, file: str, lock: bool = False) -> Checked:
    """Read the file of the working tree at `root`, which positions call by its path there.

    With `lock` the branches and tags of `include` are resolved anew, and written to the lock file unless something is
    wrong with what they give. The environments are those of the machine's policy, where it has any; else the groups
    that they ask must be in it, where there is one. UsageError when a file cannot be read.
    """
    includes = RepositoryIncludes(app.settings, root, file, trust=lambda: _trust(app, root), relock=lock)
    written = read_pipeline(_text(root / file, file), file=file, includes=includes)
    pins = includes.pins
    try:
        policy = policy_of(app.settings)
        definition, diagnostics = define(
            written, kinds=app.kinds, expressions=app.expressions, environments=policy.environments
        )
    except DefinitionError as error:
        sources = error.sources or written.texts
        return Checked(file=file, definition=None, diagnostics=error.diagnostics, sources=sources)
    unknown = tuple(unknown_groups(definition.environments, policy))
    if unknown:
        diagnostics = (*diagnostics, *unknown)
        return Checked(file=file, definition=None, diagnostics=diagnostics, sources=written.texts)
    if lock:
        _write(root / lock_of(file), pins)
    return Checked(file=file, definition=definition, diagnostics=diagnostics, sources=written.texts, pins=pins)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedPolicy:
    """What a policy file holds, and everything there is to say about it; `revision` is "" where it has errors."""

    file: str
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, bytes]
    policy: Policy | None = None

    @property
    def errors(self) -> int:
        """How many problems stop it."""
        return sum(item.severity is Severity.ERROR for item in self.diagnostics)


def check_policy(app: Application, place: str) -> CheckedPolicy:
    """Read a policy file. UsageError and SourceUnreachableError where it cannot be had."""
    try:
        found = read_policy(app.settings, place)
    except DefinitionError as error:
        file = next(iter(error.sources), place)
        return CheckedPolicy(file=file, diagnostics=error.diagnostics, sources=error.sources)
    return CheckedPolicy(
        file=found.name, diagnostics=found.diagnostics, sources={found.name: found.text}, policy=found.policy
    )


def _text(path: Path, name: str) -> bytes:
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a file", hint="name a file that can be read")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"there is no {name} in {path.parent}", hint="write one with `ecluse init`, or name it with --file"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name a file that can be read") from error


def _write(path: Path, pins: tuple[Pin, ...]) -> None:
    """Write the lock file; one that nothing needs is taken away."""
    try:
        if pins:
            path.write_text(write_lock(pins))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="check its permissions") from error


def _trust(app: Application, root: Path) -> Trust:
    """How far this check is trusted: in a job of a CI host as its run would be."""
    try:
        return guess_event(describe(root), app.environment, app.settings).trust
    except SourceError:
        return Trust.BRANCH
