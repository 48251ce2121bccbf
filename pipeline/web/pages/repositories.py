"""`/`: what needs me now, then every repository by its latest change; `/search` finds by name, number, digest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pipeline.errors import NotFoundError
from pipeline.model.release import Promotion, Release
from pipeline.model.repository import Repository
from pipeline.model.run import Run
from pipeline.model.status import PromotionState, RunState
from pipeline.operations.repositories import name_of, repository_names, spelled
from pipeline.ports.application import Application
from pipeline.web.asking import App
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False)

_SOME = 20


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


@router.get("/")
def repositories(request: Request, app: App) -> HTMLResponse:
    """What needs me now?"""
    rows = _rows(app)
    broken = [row for row in rows if row.health and row.health.conclusion and row.health.conclusion.went_wrong]
    names = {row.newest.repository: row.name for row in rows if row.newest}
    facts = {
        "rows": rows,
        "broken": broken,
        "wrong": app.records.wrong_stages([row.health.id for row in broken[:_SOME] if row.health]),
        "parked": app.records.glance(state=RunState.PARKED, limit=_SOME),
        "active": app.records.glance(state=RunState.RUNNING, limit=_SOME),
        "waiting": list(_waiting(app)),
        "names": names,
        "some": _SOME,
    }
    return page(request, "repositories.html", facts)


def _rows(app: Application) -> list[Row]:
    """Those with runs by their latest, then those without."""
    known = {item.url: item for item in app.intake.repositories()}
    health = {run.repository: run for run in app.records.newest_runs(on_default_branch=True)}
    newest = app.records.newest_runs()
    rows = [
        Row(
            name=known[run.repository].name if run.repository in known else spelled(run.repository),
            newest=run,
            health=health.get(run.repository),
            known=known.get(run.repository),
        )
        for run in newest
    ]
    seen = {run.repository for run in newest}
    return rows + [
        Row(name=item.name, newest=None, health=None, known=item) for item in known.values() if item.url not in seen
    ]


def _waiting(app: Application) -> Iterator[Waiting]:
    names = repository_names(app)
    for promotion in app.records.promotions(under_way=True, limit=_SOME):
        if promotion.state in (PromotionState.PLANNED, PromotionState.WAITING):
            release = app.records.find_release(promotion.release)
            name = names.get(release.repository) or spelled(release.repository)
            yield Waiting(promotion=promotion, release=release, repository=name)


@router.get("/search")
def search(request: Request, app: App, q: str = "") -> HTMLResponse:
    """Repositories by a part of their name; runs by number, id or the beginning of it; releases and promotions."""
    wanted = q.strip()[:200]
    rows = [row for row in _rows(app) if wanted.lower() in row.name.lower()][:50] if wanted else []
    found: list[tuple[Run, str]] = []
    release = promotion = None
    if wanted:
        numbered = [row for row in rows or _rows(app)[:50] if row.newest] if wanted.lstrip("#").isdecimal() else []
        for row in numbered:
            if row.newest is not None and len(found) < _SOME:
                run = _run_of(app, wanted.lstrip("#"), row.newest.repository)
                found += [(run, row.name)] if run else []
        if not numbered:
            run = _run_of(app, wanted, "")
            found += [(run, name_of(app, run.repository))] if run else []
        release, promotion = _release_of(app, wanted), _promotion_of(app, wanted)
    facts = {"q": wanted, "rows": rows, "runs": found, "release": release, "promotion": promotion}
    return page(request, "search.html", facts)


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
