"""`/board`: a flight of locks: what is where, what may move, who must act; and the moves themselves, each confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline.errors import EcluseError, NotFoundError, UsageError
from pipeline.model.account import Role
from pipeline.model.decision import BlockKind
from pipeline.model.release import PromotionKind
from pipeline.model.work import PromotionWish
from pipeline.operations.blocking import block, lift
from pipeline.operations.promote import Outlook
from pipeline.operations.repositories import name_of
from pipeline.operations.serving.place import place_of
from pipeline.operations.serving.promoting import ask_promotion, promotion_outlook
from pipeline.ports.application import Application
from pipeline.web.access.asking import Signed, need
from pipeline.web.access.principal import Principal
from pipeline.web.access.trail import note
from pipeline.web.asking import App
from pipeline.web.pages.asking import Place, Repo
from pipeline.web.pages.levels import Shown, shown_board
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False)

_DELIVER = [Depends(need(Role.RELEASE_MANAGER))]
_KINDS = {
    "promote": PromotionKind.PROMOTE,
    "rollback": PromotionKind.ROLLBACK,
    "restore": PromotionKind.RESTORE,
}
ACTS = {
    "promote": "Bring it in",
    "rollback": "Go back",
    "restore": "Put it back",
    "hold": "Hold it",
    "lift": "Lift the hold",
}
HOURS = {1: "1 hour", 4: "4 hours", 24: "1 day", 72: "3 days", 168: "1 week"}
_REASON = Form(max_length=2000)


@router.get("/board")
def boards(
    request: Request, app: App, principal: Signed, repository: Annotated[str, Query(max_length=300)] = ""
) -> HTMLResponse:
    """The flight of one repository; without a name that of the only one, or which there are."""
    names = [name for name in _with_releases(app) if principal.may(Role.VIEWER, name)]
    if repository:
        principal.must(Role.VIEWER, repository)
    chosen = repository or (names[0] if len(names) == 1 else "")
    shown = shown_board(app, chosen, principal) if chosen else None
    facts = {"names": names, "shown": shown, "may": _may(principal, shown)}
    return page(request, "board.html", facts)


def _with_releases(app: Application) -> Sequence[str]:
    """Repositories that have delivered something, and those that the server looks after."""
    known = {item.url: item.name for item in app.intake.repositories()}
    releases = dict.fromkeys(item.repository for item in app.records.releases(limit=500))
    names = [known.get(url) or name_of(app, url) for url in releases]
    return list(dict.fromkeys((*names, *known.values())))


def _may(principal: Principal, shown: Shown | None) -> set[str]:
    """Environments in which somebody may move things."""
    levels = shown.board.levels if shown else ()
    name = shown.name if shown else ""
    return {item.environment for item in levels if principal.may(Role.RELEASE_MANAGER, name, item.environment)}


@router.get("/board/{owner}/{name}/{environment}/{act}", dependencies=_DELIVER)
def confirm(
    request: Request,
    app: App,
    place: Repo,
    environment: str,
    act: str,
    principal: Signed,
    release: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """Exactly what would happen to what; nothing is written."""
    words = _words(act)
    found: Outlook | None = None
    problem = ""
    if act in _KINDS:
        wish = PromotionWish(kind=_KINDS[act], environment=environment, release=release)
        try:
            found = promotion_outlook(app, place.name, wish, by=principal.login)
        except EcluseError as error:
            problem = f"{error.message}{': ' if error.hint else ''}{error.hint}"
    facts: dict[str, Any] = {
        "place": place,
        "environment": environment,
        "act": act,
        "words": words,
        "found": found,
        "problem": problem,
        "release": release,
        "hours": HOURS,
        "blocks": _blocks(app, place, environment),
    }
    return page(request, "confirm_move.html", facts)


@router.post("/board/{owner}/{name}/{environment}/{act}", dependencies=_DELIVER)
def move(
    request: Request,
    app: App,
    place: Repo,
    environment: str,
    act: str,
    principal: Signed,
    reason: Annotated[str, _REASON] = "",
    release: Annotated[str, Form(max_length=200)] = "",
    hours: Annotated[int, Form(ge=1, le=24 * 366)] = 24,
) -> RedirectResponse:
    """Do it, or have it done by a worker; the ledger keeps the reason."""
    _words(act)
    if not reason.strip() and act != "lift":
        raise UsageError("the ledger keeps a reason: say why", hint="go back, and write it into the form")
    note(request, f"environment.{act}", f"{place.name} {environment}", reason)
    if act in _KINDS:
        wish = PromotionWish(kind=_KINDS[act], environment=environment, release=release, reason=reason.strip())
        item = ask_promotion(app, place.name, wish, by=principal.login)
        return RedirectResponse(f"/promotions/{item.id}", status_code=303)
    stand = place_of(app, place.name, person=principal.login)
    if act == "hold":
        until = app.clock.now() + timedelta(hours=hours)
        block(app, stand, BlockKind.HOLD, environment=environment, reason=reason.strip(), until=until)
    else:
        lift(app, stand, frozenset({BlockKind.HOLD}), environment=environment)
    return RedirectResponse(f"/board?repository={place.name}", status_code=303)


def _words(act: str) -> str:
    if act not in ACTS:
        raise NotFoundError(f"nobody can do '{act}' with an environment", hint="the board has what can be done")
    return ACTS[act]


def _blocks(app: Application, place: Place, environment: str) -> Sequence[Any]:
    return app.records.blocks(repository=place.url, environment=environment, open_at=app.clock.now())
