"""Releases of a repository: what is in each, where it has been, what lies between two."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from pipeline.errors import NotFoundError
from pipeline.model.account import Role
from pipeline.model.release import Release
from pipeline.operations.comparing import ReleaseNotes, notes
from pipeline.operations.inspect import ReleaseFacts
from pipeline.operations.inspect import releases as latest
from pipeline.operations.lineage import ReleasePage, release_page
from pipeline.operations.repositories import url_of
from pipeline.operations.serving.place import folder_of
from pipeline.web.access.asking import need
from pipeline.web.api.answers import answer
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.runs import Name, Owner
from pipeline.web.api.shapes import shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}/releases", tags=["releases"], responses=PROBLEMS)

Reference = Annotated[str, Path(max_length=200, description="a release's name, id, or the beginning of its id")]
_READ = [Depends(need(Role.VIEWER))]


@router.get("", response_model=list[shape_of(ReleaseFacts)], dependencies=_READ)  # type: ignore[misc]
def releases(
    request: Request, app: App, owner: Owner, name: Name, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> Response:
    """Releases, newest first, with where they went."""
    return answer(request, latest(app.records, repository=url_of(app, f"{owner}/{name}"), limit=limit))


@router.get("/{release}", response_model=shape_of(ReleasePage), dependencies=_READ)
def release(request: Request, app: App, owner: Owner, name: Name, release: Reference) -> Response:
    """One release in full: contents, evidence, where it has been and who let it in."""
    found = _own(app, owner, name, release)
    return answer(request, release_page(app, folder_of(app, f"{owner}/{name}"), found.id))


@router.get("/{release}/notes", response_model=shape_of(ReleaseNotes), dependencies=_READ)
def release_notes(
    request: Request,
    app: App,
    owner: Owner,
    name: Name,
    release: Reference,
    since: Annotated[str, Query(max_length=200, description="an older release; all commits else")] = "",
) -> Response:
    """The commits that the release has and the older one has not."""
    new = _own(app, owner, name, release)
    old = _own(app, owner, name, since).id if since else ""
    return answer(request, notes(app, folder_of(app, f"{owner}/{name}"), old, new.id))


def _own(app: App, owner: str, name: str, reference: str) -> Release:
    """A release of this repository; those of others are not there for whoever asks here."""
    found = app.records.find_release(reference)
    if found.repository != url_of(app, f"{owner}/{name}"):
        raise NotFoundError(f"{owner}/{name} has no release '{reference}'", hint="`releases` lists them")
    return found
