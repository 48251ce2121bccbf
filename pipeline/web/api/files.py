"""Pipeline files that are sent to be looked at, and the schema that editors check them with."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.model.account import Role
from pipeline.operations.posted_file import Judged, judge_file
from pipeline.web.access.asking import Signed, need
from pipeline.web.access.trail import unaudited
from pipeline.web.api.answers import answer
from pipeline.web.api.asked import InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1", tags=["pipeline files"], responses=PROBLEMS)

_LONGEST = 500_000
_RUN = [Depends(need(Role.DEVELOPER))]


class Sent(BaseModel):
    """A pipeline file."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=_LONGEST)
    file: str = Field(default="pipeline.yml", max_length=400, description="what messages call it")


@router.post("/repositories/{owner}/{name}/check", response_model=shape_of(Judged), dependencies=_RUN)
def check(asked: InRepository, sent: Annotated[Sent, Body()]) -> Response:
    """Every problem of a file. Includes are read from the default branch; other repositories are not asked."""
    found = judge_file(asked.app, asked.repository, sent.text, file=sent.file)
    unaudited(asked.request)  # nothing was changed
    return asked.answer(found)


@router.post("/repositories/{owner}/{name}/expand", response_model=shape_of(Judged), dependencies=_RUN)
def expand(asked: InRepository, sent: Annotated[Sent, Body()]) -> Response:
    """As `check`, and the pipeline after includes, anchors, defaults and matrix, where it has no errors."""
    found = judge_file(asked.app, asked.repository, sent.text, file=sent.file, expanded=True)
    unaudited(asked.request)  # nothing was changed
    return asked.answer(found)


@router.get("/schemas/{kind}")
def schema(request: Request, app: App, person: Signed, kind: Literal["pipeline", "policy"]) -> Response:
    """The JSON Schema (2020-12) of the pipeline file with every stage kind of this server, or of the policy file."""
    del person
    from pipeline.language.policy import compose_policy
    from pipeline.language.schema import compose

    return answer(request, compose_policy() if kind == "policy" else compose(app.kinds))
