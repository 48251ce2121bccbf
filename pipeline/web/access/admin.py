"""What admins look after: people, their roles, and the trail of what was done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline.errors import NotFoundError, UsageError
from pipeline.model.account import Role
from pipeline.operations.access.granting import give, role_of
from pipeline.operations.access.machine import new_id
from pipeline.operations.access.people import add_user, disable
from pipeline.web.access.account import ROLES, said
from pipeline.web.access.asking import InPerson, need
from pipeline.web.access.trail import note
from pipeline.web.asking import App
from pipeline.web.pages.rendering import page

router = APIRouter(prefix="/settings", include_in_schema=False, dependencies=[Depends(need(Role.ADMIN))])
_PEOPLE = "/settings/people"
_LINES = 100


@router.get("/people")
def people(request: Request, app: App, principal: InPerson) -> HTMLResponse:
    """Everybody, with their roles."""
    del principal
    return _page(request, app)


@router.post("/people")
def add(
    request: Request,
    app: App,
    principal: InPerson,
    login: Annotated[str, Form(max_length=200)] = "",
    name: Annotated[str, Form(max_length=400)] = "",
    password: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Somebody new."""
    del principal
    try:
        user = add_user(app.accounts, login, name=name, password=password, now=app.clock.now())
    except UsageError as error:
        return _page(request, app, wrong=said(error))
    note(request, "user.add", user.login)
    return RedirectResponse(_PEOPLE, status_code=303)


@router.post("/people/{login}/disable")
def shut_out(request: Request, app: App, principal: InPerson, login: str) -> Response:
    """Nothing of theirs counts any more. Nobody does it to themselves: who would let them in again?"""
    if login == principal.login:
        return _page(request, app, wrong="you would lock yourself out: let another admin do it")
    note(request, "user.disable", disable(app.accounts, login).login)
    return RedirectResponse(_PEOPLE, status_code=303)


@router.post("/people/{login}/enable")
def let_in(request: Request, app: App, principal: InPerson, login: str) -> Response:
    """It counts again."""
    del principal
    note(request, "user.enable", disable(app.accounts, login, disabled=False).login)
    return RedirectResponse(_PEOPLE, status_code=303)


@router.post("/people/{login}/grants")
def grant(
    request: Request,
    app: App,
    principal: InPerson,
    login: str,
    role: Annotated[str, Form(max_length=40)] = "",
    repository: Annotated[str, Form(max_length=400)] = "*",
    environment: Annotated[str, Form(max_length=400)] = "*",
) -> Response:
    """One more role for somebody."""
    try:
        made = give(
            app.accounts,
            login,
            role_of(role),
            id=new_id(app),
            repository=repository,
            environment=environment,
            now=app.clock.now(),
            by=principal.login,
        )
    except NotFoundError:
        raise
    except UsageError as error:
        return _page(request, app, wrong=said(error))
    note(request, "grant.add", made.login, f"{made.role.value} in {made.repository}, {made.environment}")
    return RedirectResponse(_PEOPLE, status_code=303)


@router.post("/grants/{grant}/remove")
def take(request: Request, app: App, principal: InPerson, grant: str) -> Response:
    """A role goes; not the own of whoever asks, so that one admin of all is always left."""
    if any(item.id == grant and item.role is Role.ADMIN for item in app.accounts.grants(login=principal.login)):
        return _page(request, app, wrong="you would take your own rights: let another admin do it")
    app.accounts.remove_grant(grant)
    note(request, "grant.remove", grant)
    return RedirectResponse(_PEOPLE, status_code=303)


@router.get("/audit")
def audit(
    request: Request, app: App, principal: InPerson, login: str = "", action: str = "", before: int = 0
) -> HTMLResponse:
    """Newest first, a page at a time."""
    del principal
    login, action = login[:80], action[:80]
    lines = app.accounts.audit(login=login, action=action, before=min(max(before, 0), 2**31 - 1), limit=_LINES + 1)
    facts = {"lines": lines[:_LINES], "more": len(lines) > _LINES, "login": login, "action": action}
    return page(request, "audit.html", facts)


def _page(request: Request, app: App, *, wrong: str = "") -> HTMLResponse:
    grants = app.accounts.grants()
    people = [(user, [item for item in grants if item.login == user.login]) for user in app.accounts.users()]
    facts = {"people": people, "roles": ROLES, "wrong": wrong}
    return page(request, "people.html", facts, status=422 if wrong else 200)
