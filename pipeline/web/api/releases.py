"""Releases of a repository: what is in each, where it has been, what lies between two."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from pipeline.errors import NotFoundError
from pipeline.model.account import Role
from pipeline.model.release import Release
from pipeline.operations.comparing import ReleaseNotes, notes
from pipeline.operations.inspect import ReleaseFacts
from pipeline.operations.inspect import releases as latest
from pipeline.operations.lineage import ReleasePage, release_page
from pipeline.web.access.asking import need
from pipeline.web.api.answers import Cursor, Limit
from pipeline.web.api.asked import Asked, InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}/releases", tags=["releases"], responses=PROBLEMS)

Reference = Annotated[str, Path(max_length=200, description="a release's name, id, or the beginning of its id")]
_READ = [Depends(need(Role.VIEWER))]


@router.get("", response_model=page_of(ReleaseFacts), dependencies=_READ)
def releases(asked: InRepository, limit: Limit = 20, cursor: Cursor = "") -> Response:
    """Releases, newest first, with where they went."""
    found = latest(asked.app.records, repository=asked.url, limit=limit + 1, before=cursor)
    return asked.page(found, limit=limit, cursor=lambda item: item.release.id)


@router.get("/{release}", response_model=shape_of(ReleasePage), dependencies=_READ)
def release(asked: InRepository, release: Reference) -> Response:
    """One release in full: contents, evidence, where it has been and who let it in."""
    found = _own(asked, release)
    return asked.answer(release_page(asked.app, asked.folder, found.id))


@router.get("/{release}/notes", response_model=shape_of(ReleaseNotes), dependencies=_READ)
def release_notes(
    asked: InRepository,
    release: Reference,
    since: Annotated[str, Query(max_length=200, description="an older release; all commits else")] = "",
) -> Response:
    """The commits that the release has and the older one has not."""
    new = _own(asked, release)
    old = _own(asked, since).id if since else ""
    return asked.answer(notes(asked.app, asked.folder, old, new.id))


def _own(asked: Asked, reference: str) -> Release:
    """A release of this repository; those of others are not there for whoever asks here."""
    found = asked.app.records.find_release(reference)
    if found.repository != asked.url:
        raise NotFoundError(f"{asked.repository} has no release '{reference}'", hint="`releases` lists them")
    return found
