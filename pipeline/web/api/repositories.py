"""The repositories that this person may see."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from pipeline.model.account import Role
from pipeline.model.repository import Repository
from pipeline.web.access.asking import Signed, need
from pipeline.web.api.answers import answer
from pipeline.web.api.asked import InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1/repositories", tags=["repositories"], responses=PROBLEMS)


@router.get("", response_model=list[shape_of(Repository)])  # type: ignore[misc]
def repositories(request: Request, app: App, person: Signed) -> Response:
    """By name."""
    found = app.intake.repositories()
    return answer(request, [item for item in found if person.may(Role.VIEWER, item.name)])


@router.get("/{owner}/{name}", response_model=shape_of(Repository), dependencies=[Depends(need(Role.VIEWER))])
def repository(asked: InRepository) -> Response:
    """One of them."""
    return asked.answer(asked.app.intake.find_repository(asked.repository))
