"""The pipeline of a repository as it is meant, with where each value came from."""

from __future__ import annotations

from pathlib import Path

from pipeline.language.expansion import Keys, expand
from pipeline.operations.prepare import StartRequest, prepared
from pipeline.ports.application import Application


def expanded(app: Application, repository: Path, *, file: str, revision: str = "") -> Keys:
    """The pipeline file of the working tree, or of a revision. Raises SourceError, DefinitionError, UsageError."""
    found = prepared(app, StartRequest(repository=repository, file=file, revision=revision))
    return expand(found.written, found.definition, app.kinds)
