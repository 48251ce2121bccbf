"""`/r/{owner}/{name}`: the runs of a repository; `…/runs/{number}`: one of them, what failed first on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pipeline.model.account import Role
from pipeline.model.run import Run, StageRun
from pipeline.model.status import WENT_WRONG, Conclusion, RunState, StageState
from pipeline.model.value import Value
from pipeline.operations.first_failure import first_failure
from pipeline.operations.inspect import conditions_of, describe_run
from pipeline.web.access.asking import Signed
from pipeline.web.asking import App
from pipeline.web.pages import graph
from pipeline.web.pages.asking import VIEWERS, Chosen, Repo
from pipeline.web.pages.rendering import page
from pipeline.web.pages.run_acts import ACTS, possible
from pipeline.web.pages.words import duration, spoken, stage_look

router = APIRouter(include_in_schema=False, dependencies=[VIEWERS])

_PAGE = 50
_STATES: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "failed": {"conclusions": tuple(WENT_WRONG)},
    "running": {"state": RunState.RUNNING},
    "parked": {"state": RunState.PARKED},
}
"""What one may choose to see."""
_MANY = 60
"""Stages above which the list folds those that succeeded."""
_TRIED = 100
"""Artifacts, findings and measurements of a run that its page shows."""


@router.get("/r/{owner}/{name}")
def runs(
    request: Request,
    app: App,
    place: Repo,
    principal: Signed,
    branch: str = "",
    state: str = "",
    before: Annotated[datetime | None, Query()] = None,
) -> HTMLResponse:
    """What happened on this branch lately, is it getting slower?"""
    chosen = _STATES.get(state, {})
    found = app.records.glance(repository=place.url, branch=branch, before=before, limit=_PAGE + 1, **chosen)
    shown = found[:_PAGE]
    ended = [run for run in reversed(shown) if run.finished is not None]
    facts = {
        "place": place,
        "may_start": principal.may(Role.DEVELOPER, place.name),
        "runs": shown,
        "wrong": app.records.wrong_stages([run.id for run in shown if run.conclusion in WENT_WRONG]),
        "branch": branch,
        "state": state,
        "branches": sorted({run.branch for run in shown if run.branch}),
        "older": shown[-1].created.isoformat() if len(found) > _PAGE else "",
        "trend": _trend(ended),
        "slowest": max((_seconds(run) for run in ended), default=0.0),
    }
    return page(request, "runs.html", facts)


def _seconds(run: Run) -> float:
    return (run.finished - run.created).total_seconds() if run.finished else 0.0


def _trend(ended: Sequence[Run]) -> list[tuple[Run, int, int]]:
    """Each run with the place and the height of its bar, of 52."""
    most = max((_seconds(run) for run in ended), default=0.0) or 1.0
    return [(run, index * 12, max(3, round(52 * _seconds(run) / most))) for index, run in enumerate(ended)]


@router.get("/r/{owner}/{name}/runs/{number}")
def run(request: Request, app: App, place: Repo, chosen: Chosen, principal: Signed) -> HTMLResponse:
    """What failed and why?"""
    plan = app.records.plan(chosen.id)
    facts = {
        "place": place,
        "run": chosen,
        "failure": first_failure(chosen, app.storage, app.settings.home),
        "picture": graph.drawn(_graphed(chosen, plan)),
        "facts": describe_run(app.records, chosen),
        "conditions": {stage.name: conditions_of(plan, stage.name) for stage in chosen.stages if _is_judged(stage)},
        "failures": [
            (stage, case)
            for stage in chosen.stages
            for case in (stage.products.tests.failures if stage.products.tests else ())
        ][:_TRIED],
        "reports": [stage for stage in chosen.stages if stage.products.tests],
        "findings": sorted(
            ((stage, item) for stage in chosen.stages for item in stage.products.findings),
            key=lambda pair: -pair[1].severity.rank,
        )[:_TRIED],
        "artifacts": [(stage, item) for stage in chosen.stages for item in stage.products.artifacts],
        "most": _TRIED,
        "many": _MANY,
        "acts": [(act, ACTS[act][0]) for act in possible(chosen)] if principal.may(Role.DEVELOPER, place.name) else [],
        "seconds": ((chosen.finished or app.clock.now()) - chosen.created).total_seconds(),
    }
    return page(request, "run.html", facts)


def _is_judged(stage: StageRun) -> bool:
    """Whose conditions decided something: the others are on the stage's own page."""
    return stage.conclusion is Conclusion.SKIPPED


def _graphed(run: Run, plan: Mapping[str, Value]) -> list[graph.Stage]:
    needs = _needs(plan)
    return [
        graph.Stage(
            name=stage.name,
            needs=needs.get(stage.name, ()),
            look=stage_look(stage.state, stage.conclusion),
            word=spoken(stage.conclusion or stage.state),
            seconds=duration(stage.seconds),
            finished=stage.finished if stage.conclusion is not Conclusion.SKIPPED else None,
            reused=bool(stage.reused),
        )
        for stage in run.stages
    ]


def _needs(plan: Mapping[str, Value]) -> dict[str, tuple[str, ...]]:
    """Stage to what it needs, as the stored plan has it."""
    found: dict[str, tuple[str, ...]] = {}
    stages = plan.get("stages")
    for item in stages if isinstance(stages, list) else []:
        stage = item.get("stage") if isinstance(item, dict) else None
        if isinstance(stage, dict):
            needs = stage.get("needs") or []
            names = (need.get("stage") for need in needs if isinstance(need, dict)) if isinstance(needs, list) else ()
            found[str(stage.get("name"))] = tuple(str(name) for name in names)
    return found


def word_of(state: StageState, conclusion: Conclusion | None, parked: str) -> str:
    """What a stage's place says: how it ended, what it waits for, or where it stands."""
    if conclusion is None and parked:
        return f"waits: {parked}"
    return spoken(conclusion or state)
