"""`/r/…/tests`: which tests fail, flake, slow down?"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pipeline.model.history import TestResult
from pipeline.operations.flaky import flaky_tests
from pipeline.web.asking import App
from pipeline.web.pages.asking import VIEWERS, Repo
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False, dependencies=[VIEWERS])

_RUNS = 50
_SOME = 50


@router.get("/r/{owner}/{name}/tests")
def of_tests(
    request: Request, app: App, place: Repo, branch: Annotated[str, Query(max_length=300)] = ""
) -> HTMLResponse:
    """Over the newest finished runs of a branch, or of all."""
    records = app.records
    wrong = records.test_results(repository=place.url, branch=branch, runs=_RUNS, wrong=True)
    by_test: dict[tuple[str, str, str], list[TestResult]] = defaultdict(list)
    for item in wrong:
        by_test[item.stage, item.classname, item.name].append(item)
    failing = sorted(by_test.values(), key=lambda items: (-len({item.run for item in items}), -items[0].number))
    facts = {
        "place": place,
        "branch": branch,
        "failing": [(items[0], len({item.run for item in items})) for items in failing[:_SOME]],
        "flaky": flaky_tests(records, repository=place.url, branch=branch, runs=_RUNS, today=app.clock.now().date())[
            :_SOME
        ],
        "slowest": records.slowest_tests(repository=place.url, branch=branch, runs=20, limit=20),
        "runs": _RUNS,
    }
    return page(request, "tests.html", facts)
