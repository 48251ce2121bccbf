"""Where a repository of the server stands: its clone here, its environments and the policy that judges."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import NotFoundError, SourceError
from pipeline.operations.origins import Environments
from pipeline.operations.repositories import url_of
from pipeline.operations.serving.mirror import Mirror
from pipeline.operations.surroundings import Surroundings, environments_at, surroundings
from pipeline.ports.application import Application


def folder_of(app: Application, name: str) -> Path:
    """A clone of a repository on this machine: the server's mirror, or the folder of one that was run here by hand.

    It may not be there yet: whoever asks git there gets git's answer.
    """
    try:
        return Mirror(app, app.intake.find_repository(name)).path
    except NotFoundError:
        return Path(url_of(app, name))


def place_of(app: Application, name: str, *, person: str) -> Surroundings:
    """What a promotion stands on, as the default branch has it, on behalf of a person who is known to the server.

    NotFoundError, and SourceError where the repository was never fetched or has no such branch.
    """
    folder, file, branch = _files(app, name)
    return surroundings(app, folder, file=file, branch=branch, person=person)


def environments_of(app: Application, name: str) -> Environments:
    """Those that count for a repository, by the policy or its default branch."""
    folder, file, branch = _files(app, name)
    return environments_at(app, folder, file=file, branch=branch)


def _files(app: Application, name: str) -> tuple[Path, str, str]:
    """The clone, the pipeline file, and the revision that counts ("" = the folder as it is)."""
    try:
        repository = app.intake.find_repository(name)
    except NotFoundError:
        folder = Path(url_of(app, name))
        if not folder.is_dir():
            raise SourceError(
                f"there is no clone of {name} on this machine", hint="add it to the server: ecluse repository add"
            ) from None
        return folder, "pipeline.yml", ""
    mirror = Mirror(app, repository)
    if not mirror.path.exists():
        mirror.fetch()
    tip = mirror.find(repository.default_branch)
    if tip is None:
        raise SourceError(
            f"{name} has no branch '{repository.default_branch}'", hint="ecluse repository set names another"
        )
    return mirror.path, repository.file, tip.sha
