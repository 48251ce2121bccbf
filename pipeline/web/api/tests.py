"""How a repository's tests fare over its runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from pipeline.model.account import Role
from pipeline.model.history import RunMeasure, TestTime
from pipeline.operations.flaky import FlakyTest, flaky_tests
from pipeline.operations.repositories import url_of
from pipeline.web.access.asking import need
from pipeline.web.api.answers import answer
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.runs import Name, Owner
from pipeline.web.api.shapes import shape_of
from pipeline.web.asking import App

router = APIRouter(
    prefix="/api/v1/repositories/{owner}/{name}/tests",
    tags=["tests"],
    responses=PROBLEMS,
    dependencies=[Depends(need(Role.VIEWER))],
)

Branch = Annotated[str, Query(max_length=250)]
Stage = Annotated[str, Query(max_length=300)]
Runs = Annotated[int, Query(ge=1, le=500, description="the newest finished runs that are looked at")]


@router.get("/trend", response_model=list[shape_of(RunMeasure)])  # type: ignore[misc]
def trend(
    request: Request, app: App, owner: Owner, name: Name, branch: Branch = "", stage: Stage = "", runs: Runs = 20
) -> Response:
    """Results and coverage of the newest finished runs, newest first."""
    place = url_of(app, f"{owner}/{name}")
    return answer(request, app.records.run_measures(repository=place, branch=branch, stage=stage, runs=runs))


@router.get("/slowest", response_model=list[shape_of(TestTime)])  # type: ignore[misc]
def slowest(
    request: Request,
    app: App,
    owner: Owner,
    name: Name,
    branch: Branch = "",
    stage: Stage = "",
    runs: Runs = 20,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Response:
    """The tests that take longest, by their mean."""
    place = url_of(app, f"{owner}/{name}")
    found = app.records.slowest_tests(repository=place, branch=branch, stage=stage, runs=runs, limit=limit)
    return answer(request, found)


@router.get("/flaky", response_model=list[shape_of(FlakyTest)])  # type: ignore[misc]
def flaky(
    request: Request, app: App, owner: Owner, name: Name, branch: Branch = "", stage: Stage = "", runs: Runs = 100
) -> Response:
    """Tests that failed and passed with no change between."""
    found = flaky_tests(
        app.records,
        repository=url_of(app, f"{owner}/{name}"),
        branch=branch,
        stage=stage,
        runs=runs,
        today=app.clock.now().date(),
    )
    return answer(request, found)
