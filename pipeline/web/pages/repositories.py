"""`/`: what needs me now, then every repository by its latest change; `/search` finds by name, number, digest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pipeline.errors import NotFoundError
from pipeline.model.account import Role
from pipeline.model.release import Promotion, Release
from pipeline.model.repository import Repository
from pipeline.model.run import Run
from pipeline.model.status import PromotionState, RunState
from pipeline.operations.drift_watch import Asked, DriftWatch
from pipeline.operations.repositories import name_of, named, repository_names
from pipeline.ports.application import Application
from pipeline.web.access.asking import Signed
from pipeline.web.access.principal import Principal
from pipeline.web.asking import App
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False)

_SOME = 20
_MANY = 100
"""How many are looked through for those that somebody may see."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One repository: its newest run, and the newest one on its default branch, which says how it is."""

    name: str
    newest: Run | None
    health: Run | None
    known: Repository | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A promotion that waits for somebody."""

    promotion: Promotion
    release: Release
    repository: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Drifted:
    """An environment in which something else ran than the ledger says, and the name of its repository."""

    name: str
    asked: Asked


@router.get("/")
def repositories(request: Request, app: App, principal: Signed) -> HTMLResponse:
    """What needs me now? Of what somebody may see."""
    rows = _rows(app, principal)
    broken = [row for row in rows if row.health and row.health.conclusion and row.health.conclusion.went_wrong]
    names = {row.newest.repository: row.name for row in rows if row.newest}
    parked = app.records.glance(state=RunState.PARKED, limit=_MANY)
    active = app.records.glance(state=RunState.RUNNING, limit=_MANY)
    facts = {
        "rows": rows,
        "broken": broken,
        "wrong": app.records.wrong_stages([row.health.id for row in broken[:_SOME] if row.health]),
        "parked": [run for run in parked if run.repository in names][:_SOME],
        "active": [run for run in active if run.repository in names][:_SOME],
        "drifted": [item for item in _drifted(request, app) if _sees_drift(principal, item)][:_SOME],
        "waiting": [item for item in _waiting(app) if _sees(principal, item)][:_SOME],
        "names": names,
        "some": _SOME,
    }
    return page(request, "repositories.html", facts)


def _drifted(request: Request, app: Application) -> Iterator[Drifted]:
    """As it was when the targets were last asked: none is asked for this page."""
    watch: DriftWatch = request.app.state.drifts
    names = repository_names(app)
    for item in watch.drifted():
        yield Drifted(name=named(item.repository, names), asked=item)


def _rows(app: Application, principal: Principal) -> list[Row]:
    """Those with runs by their latest, then those without; of those that somebody may see."""
    known = {item.url: item for item in app.intake.repositories()}
    names = {url: item.name for url, item in known.items()}
    health = {run.repository: run for run in app.records.newest_runs(on_default_branch=True)}
    newest = app.records.newest_runs()
    rows = [
        Row(
            name=named(run.repository, names),
            newest=run,
            health=health.get(run.repository),
            known=known.get(run.repository),
        )
        for run in newest
    ]
    seen = {run.repository for run in newest}
    rows += [
        Row(name=item.name, newest=None, health=None, known=item) for item in known.values() if item.url not in seen
    ]
    return [row for row in rows if principal.may(Role.VIEWER, row.name)]


def _sees_drift(principal: Principal, item: Drifted) -> bool:
    return principal.may(Role.VIEWER, item.name, item.asked.drift.environment)


def _sees(principal: Principal, item: Waiting) -> bool:
    return principal.may(Role.VIEWER, item.repository, item.promotion.environment)


def _waiting(app: Application) -> Iterator[Waiting]:
    names = repository_names(app)
    for promotion in app.records.promotions(under_way=True, limit=_MANY):
        if promotion.state in (PromotionState.PLANNED, PromotionState.WAITING):
            release = app.records.find_release(promotion.release)
            name = named(release.repository, names)
            yield Waiting(promotion=promotion, release=release, repository=name)


@router.get("/search")
def search(request: Request, app: App, principal: Signed, q: str = "") -> HTMLResponse:
    """Repositories by a part of their name; runs by number, id or the beginning of it; releases and promotions."""
    wanted = q.strip()[:200]
    every = _rows(app, principal) if wanted else []
    rows = [row for row in every if wanted.lower() in row.name.lower()][:50]
    found = _runs_like(app, wanted.lstrip("#"), rows or every) if wanted else []
    release, promotion = (_release_of(app, wanted), _promotion_of(app, wanted)) if wanted else (None, None)
    made = release or (app.records.find_release(promotion.release) if promotion else None)
    if made is not None and not principal.may(Role.VIEWER, name_of(app, made.repository)):
        release = promotion = None
    if (
        made is not None
        and promotion
        and not _sees(principal, Waiting(promotion=promotion, release=made, repository=name_of(app, made.repository)))
    ):
        promotion = None
    facts = {
        "q": wanted,
        "rows": rows,
        "runs": [(run, name) for run, name in found if principal.may(Role.VIEWER, name)],
        "release": release,
        "promotion": promotion,
    }
    return page(request, "search.html", facts)


def _runs_like(app: Application, wanted: str, rows: list[Row]) -> list[tuple[Run, str]]:
    """By number in each of these repositories, by id in all."""
    if not wanted.isdecimal():
        run = _run_of(app, wanted, "")
        return [(run, name_of(app, run.repository))] if run else []
    having = [row for row in rows if row.newest is not None][:_SOME]
    found = ((_run_of(app, wanted, row.newest.repository if row.newest else ""), row.name) for row in having)
    return [(run, name) for run, name in found if run is not None]


def _run_of(app: Application, reference: str, repository: str) -> Run | None:
    try:
        return app.records.find_run(reference, repository=repository)
    except NotFoundError:
        return None


def _release_of(app: Application, reference: str) -> Release | None:
    try:
        return app.records.find_release(reference)
    except NotFoundError:
        return None


def _promotion_of(app: Application, reference: str) -> Promotion | None:
    try:
        return app.records.find_promotion(reference)
    except NotFoundError:
        return None
