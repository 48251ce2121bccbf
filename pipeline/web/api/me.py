"""Who asks, and what server this is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pipeline import __version__
from pipeline.operations.access.me import Me, Reach
from pipeline.web.access.asking import Signed
from pipeline.web.api.answers import answer
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of

router = APIRouter(prefix="/api/v1", tags=["me"], responses=PROBLEMS)


@router.get("/me", response_model=shape_of(Me))
def me(request: Request, person: Signed) -> Response:
    """Who asks, what they may do, and the version of the server."""
    token = person.token
    found = Me(
        login=person.login,
        name=person.name,
        roles=tuple(
            Reach(role=item.role, repository=item.repository, environment=item.environment) for item in person.grants
        ),
        token=token.name if token else "",
        limits=Reach(role=token.role, repository=token.repository, environment=token.environment) if token else None,
        expires=token.expires if token else None,
        version=__version__,
    )
    return answer(request, found)
