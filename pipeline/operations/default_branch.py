"""The pipeline file at the tip of the repository's default branch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import EcluseError
from pipeline.language.load import read_pipeline
from pipeline.operations.defining import defined
from pipeline.operations.git_history import GitHistory
from pipeline.operations.includes import RepositoryIncludes
from pipeline.operations.repository_files import file_of_commit, safe_path

if TYPE_CHECKING:
    from pipeline.model.definition import Definition
    from pipeline.model.source import Source
    from pipeline.model.trust import Trust
    from pipeline.ports.application import Application

_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultBranch:
    """What the default branch holds. `commit` is "" where it is not known; `definition` None where it has no such file
    or where the file cannot be read, which `problem` says."""

    name: str = ""
    commit: str = ""
    definition: Definition | None = None
    problem: str = ""

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.name} ({self.commit[:12]})"


def default_branch(app: Application, source: Source, *, file: str, trust: Trust) -> DefaultBranch:
    """Read the file as the default branch has it; includes of the same commit. Never raises for what stands there."""
    history = GitHistory(source)
    ref, name = history.default_branch
    if not ref:
        ref, name = history.only_branch
    commit = history.commit_of(ref) if ref else ""
    if not commit:
        return DefaultBranch()
    try:
        text = file_of_commit(Path(source.path), commit, safe_path(file), limit=_LIMIT)
        if text is None:
            return DefaultBranch(name=name, commit=commit)
        includes = RepositoryIncludes(app.settings, Path(source.path), file, commit=commit, trust=lambda: trust)
        written = read_pipeline(text, file=f"{file}@{commit[:12]}", includes=includes)
        definition, _ = defined(app, written)
    except EcluseError as error:
        return DefaultBranch(name=name, commit=commit, problem=error.message)
    return DefaultBranch(name=name, commit=commit, definition=definition)
