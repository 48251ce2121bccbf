"""A pipeline file that somebody sent: checked and expanded; nothing else is read than commits of its repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.diagnostic import Diagnostic, Severity
from pipeline.errors import DefinitionError, NotFoundError, SourceError, UsageError
from pipeline.language.expanded_text import yaml_text
from pipeline.language.expansion import expand
from pipeline.language.load import Written, define, read_pipeline
from pipeline.model.definition import Definition
from pipeline.operations.policy import policy_of, unknown_groups
from pipeline.operations.repository_files import file_of_commit, safe_path
from pipeline.operations.serving.mirror import Mirror
from pipeline.ports.application import Application
from pipeline.ports.includes import Place, Wanted


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What there is to say about a file; `expanded` is the pipeline as it is meant, "" where it has errors."""

    file: str
    errors: int
    diagnostics: tuple[Diagnostic, ...]
    expanded: str = ""


class OwnIncludes:
    """Files of the repository at one commit of the server's clone. Other repositories are not asked: whoever sends a
    file does not choose whom the server speaks to."""

    def __init__(self, root: Path, commit: str) -> None:
        self._root = root
        self._commit = commit

    def place(self, wanted: Wanted, *, by: Place) -> Place:
        """Where it lies."""
        if wanted.git:
            raise UsageError(
                "a file that is sent to the server includes nothing of other repositories",
                hint="call `ecluse check` in a checkout",
            )
        return Place(file=safe_path(wanted.file), commit=by.commit)

    def read(self, place: Place, *, limit: int) -> bytes:
        """Its content."""
        found = file_of_commit(self._root, self._commit, place.file, limit=limit) if self._commit else None
        if found is None:
            raise UsageError(
                f"the default branch has no file {place.file}", hint="paths begin at the repository's root"
            )
        return found


def judge_file(app: Application, repository: str, text: str, *, file: str, expanded: bool = False) -> Judged:
    """Check it as the repository's; includes come from the default branch as the server fetched it last."""
    name = safe_path(file)
    written = read_pipeline(text.encode("utf-8", "replace"), file=name, includes=_includes(app, repository))
    try:
        policy = policy_of(app.settings)
        definition, diagnostics = define(
            written, kinds=app.kinds, expressions=app.expressions, environments=policy.environments
        )
    except DefinitionError as error:
        return _judged(name, error.diagnostics)
    diagnostics = (*diagnostics, *unknown_groups(definition.environments, policy))
    judged = _judged(name, diagnostics)
    return judged if judged.errors or not expanded else _judged(name, diagnostics, _expanded(app, written, definition))


def _includes(app: Application, repository: str) -> OwnIncludes:
    try:
        mirror = Mirror(app, app.intake.find_repository(repository))
        tip = mirror.find("") if mirror.path.exists() else None
    except (NotFoundError, SourceError):
        return OwnIncludes(Path(), "")
    return OwnIncludes(mirror.path, tip.sha if tip is not None else "")


def _judged(file: str, diagnostics: tuple[Diagnostic, ...], expanded: str = "") -> Judged:
    errors = sum(item.severity is Severity.ERROR for item in diagnostics)
    return Judged(file=file, errors=errors, diagnostics=diagnostics, expanded=expanded)


def _expanded(app: Application, written: Written, definition: Definition) -> str:
    return yaml_text(expand(written, definition, app.kinds))
