"""How a repository's tests fare over its runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from pipeline.model.account import Role
from pipeline.model.history import RunMeasure, TestTime
from pipeline.operations.flaky import FlakyTest, flaky_tests
from pipeline.web.access.asking import need
from pipeline.web.api.asked import InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of

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
def trend(asked: InRepository, branch: Branch = "", stage: Stage = "", runs: Runs = 20) -> Response:
    """Results and coverage of the newest finished runs, newest first."""
    return asked.answer(asked.app.records.run_measures(repository=asked.url, branch=branch, stage=stage, runs=runs))


@router.get("/slowest", response_model=list[shape_of(TestTime)])  # type: ignore[misc]
def slowest(
    asked: InRepository,
    branch: Branch = "",
    stage: Stage = "",
    runs: Runs = 20,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Response:
    """The tests that take longest, by their mean."""
    found = asked.app.records.slowest_tests(repository=asked.url, branch=branch, stage=stage, runs=runs, limit=limit)
    return asked.answer(found)


@router.get("/flaky", response_model=list[shape_of(FlakyTest)])  # type: ignore[misc]
def flaky(asked: InRepository, branch: Branch = "", stage: Stage = "", runs: Runs = 100) -> Response:
    """Tests that failed and passed with no change between."""
    found = flaky_tests(
        asked.app.records,
        repository=asked.url,
        branch=branch,
        stage=stage,
        runs=runs,
        today=asked.app.clock.now().date(),
    )
    return asked.answer(found)
