"""`/environments/{e}`, `/releases/{id}`, `/promotions/{id}`: what runs where, since when, and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline.errors import EcluseError, NotFoundError, UsageError
from pipeline.model.account import Role
from pipeline.model.decision import Answer
from pipeline.model.release import Promotion, Release
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.model.work import WorkItem
from pipeline.operations.drift_watch import DriftWatch
from pipeline.operations.inspect import removals
from pipeline.operations.live_intervals import live_intervals
from pipeline.operations.repositories import name_of, url_of
from pipeline.operations.serving.promoting import answer_promotion
from pipeline.ports.application import Application
from pipeline.web.access.asking import Signed, need
from pipeline.web.access.trail import note
from pipeline.web.asking import App
from pipeline.web.pages.asking import Repo
from pipeline.web.pages.charts import charts_of
from pipeline.web.pages.levels import shown_board
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False)

_SOME = 30
_ANSWERS = {"approve": Answer.APPROVE, "reject": Answer.REJECT}


@router.get("/environments/{environment}")
def environment(
    request: Request,
    app: App,
    principal: Signed,
    environment: str,
    repository: Annotated[str, Query(max_length=300)] = "",
) -> HTMLResponse:
    """What runs, since when, how it was verified."""
    if not repository:
        found = app.records.promotions(environment=environment, limit=200)
        urls = dict.fromkeys(app.records.find_release(item.release).repository for item in found)
        names = [name for url in urls if principal.may(Role.VIEWER, name := name_of(app, url), environment)]
        if len(names) != 1:
            return page(request, "which_repository.html", {"environment": environment, "names": names})
        repository = names[0]
    principal.must(Role.VIEWER, repository, environment)
    shown = shown_board(app, repository, principal)
    level = next((item for item in shown.board.levels if item.environment == environment), None)
    promotions = app.records.promotions(repository=url_of(app, repository), environment=environment, limit=_SOME)
    if level is None and not promotions:
        known = ", ".join(item.environment for item in shown.board.levels)
        raise NotFoundError(
            f"{repository} has no environment '{environment}'", hint=f"it has: {known}" if known else ""
        )
    live = level.live if level else None
    facts = {
        "name": repository,
        "environment": environment,
        "level": level,
        "promotions": promotions,
        "releases": _releases(app, promotions),
        "charts": charts_of(live.measurements) if live else [],
        "may": principal.may(Role.RELEASE_MANAGER, repository, environment),
        "problem": shown.problem,
    }
    return page(request, "environment.html", facts)


@router.get("/r/{owner}/{name}/environments/{environment}/drift", dependencies=[Depends(need(Role.VIEWER))])
def drift(request: Request, place: Repo, environment: str) -> HTMLResponse:
    """Whether what runs is what the ledger says: the target is asked, which may take its time."""
    watch: DriftWatch = request.app.state.drifts
    try:
        found, problem = watch.ask(place.url, environment), ""
    except EcluseError as error:
        found, problem = None, error.message
    return page(request, "drift.html", {"drift": found, "problem": problem})


@router.get("/releases/{release}")
def release(request: Request, app: App, principal: Signed, release: str) -> HTMLResponse:
    """What is in it, where has it been, what is it missing for the next level?"""
    found = app.records.find_release(release)
    name = name_of(app, found.repository)
    principal.must(Role.VIEWER, name)
    promotions = [
        item
        for item in app.records.promotions(repository=found.repository, limit=1000)
        if principal.may(Role.VIEWER, name, item.environment)
    ]
    shown = shown_board(app, name, principal)
    facts = {
        "name": name,
        "release": found,
        "run": _run(app, found),
        "promotions": [item for item in promotions if item.release == found.id][:_SOME],
        "intervals": live_intervals(found.id, promotions, removed=removals(app.records, promotions)),
        "next": [item for item in shown.board.levels if item.candidate and item.candidate.release.id == found.id],
        "may": {
            item.environment
            for item in shown.board.levels
            if principal.may(Role.RELEASE_MANAGER, name, item.environment)
        },
    }
    return page(request, "release.html", facts)


@router.get("/promotions/{promotion}")
def promotion(request: Request, app: App, principal: Signed, promotion: str) -> HTMLResponse:
    """The plan, the people, the steps as they happen."""
    item = _queued(app, promotion)
    try:
        found = app.records.find_promotion(promotion)
    except NotFoundError:
        if item is None or item.request.wish is None:
            raise
        principal.must(Role.VIEWER, item.request.repository, item.request.wish.environment)
        return page(request, "asked_promotion.html", {"item": item, "wish": item.request.wish})
    made = app.records.find_release(found.release)
    name = name_of(app, made.repository)
    principal.must(Role.VIEWER, name, found.environment)
    steps = app.records.entries(subjects=(found.id,), newest=200)
    waits = found.state in (PromotionState.PLANNED, PromotionState.WAITING)
    verdicts = [entry for entry in steps if isinstance(entry.data.get("answers"), list)]
    facts = {
        "name": name,
        "promotion": found,
        "release": made,
        "replaced": _known(app, found.replaces),
        "approvals": app.records.approvals(promotion=found.id),
        "steps": steps,
        "gates": verdicts[-1].data["answers"] if verdicts else [],
        "waits": waits,
        "under_way": bool(PROMOTION_MOVES[found.state]),
        "item": item,
        "charts": charts_of(found.measurements),
        "may": principal.may(Role.RELEASE_MANAGER, name, found.environment),
    }
    return page(request, "promotion.html", facts)


@router.post("/promotions/{promotion}/{said}")
def answer(
    request: Request,
    app: App,
    principal: Signed,
    promotion: str,
    said: str,
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> RedirectResponse:
    """A yes or a no to it as it is planned now."""
    found = app.records.find_promotion(promotion)
    name = name_of(app, app.records.find_release(found.release).repository)
    principal.must(Role.RELEASE_MANAGER, name, found.environment)
    if said not in _ANSWERS:
        raise NotFoundError(f"nobody can '{said}' a promotion")
    if not reason.strip():
        raise UsageError("the ledger keeps a reason: say why", hint="go back, and write it into the form")
    note(request, f"promotion.{said}", found.id, reason)
    answer_promotion(
        app, name, found.id, answer=_ANSWERS[said], reason=reason.strip(), by=principal.login, means=principal.means
    )
    return RedirectResponse(f"/promotions/{found.id}", status_code=303)


def _queued(app: Application, promotion: str) -> WorkItem | None:
    try:
        return app.queue.find(promotion)
    except NotFoundError:
        return None


def _releases(app: Application, promotions: Sequence[Promotion]) -> dict[str, Release]:
    wanted = dict.fromkeys(item for promotion in promotions for item in (promotion.release, promotion.replaces) if item)
    found = ((item, _known(app, item)) for item in wanted)
    return {item: release for item, release in found if release is not None}


def _known(app: Application, release: str) -> Release | None:
    try:
        return app.records.find_release(release) if release else None
    except NotFoundError:
        return None


def _run(app: Application, release: Release) -> Any:
    try:
        return app.records.find_run(release.run) if release.run else None
    except NotFoundError:
        return None
