"""What everybody looks after themselves: their tokens, their sessions, their password."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from pipeline.errors import UsageError
from pipeline.model.account import Role
from pipeline.operations.access.granting import pattern_of, role_of
from pipeline.operations.access.machine import new_id
from pipeline.operations.access.people import recognised, set_password
from pipeline.operations.access.tokens import in_force, make_token, revoke_token
from pipeline.web.access.asking import InPerson
from pipeline.web.access.limits import limits_of
from pipeline.web.access.login import signed_in
from pipeline.web.access.principal import Principal
from pipeline.web.access.trail import note
from pipeline.web.asking import App
from pipeline.web.pages.rendering import page

router = APIRouter(prefix="/settings", include_in_schema=False)
ROLES = tuple(role.value for role in Role)
_HERE = "/settings"
_LONGEST = 3650


@router.get("")
def account(request: Request, app: App, principal: InPerson) -> HTMLResponse:
    """All of it."""
    return _page(request, app, principal)


@router.post("/tokens")
def make(
    request: Request,
    app: App,
    principal: InPerson,
    name: Annotated[str, Form(max_length=200)] = "",
    role: Annotated[str, Form(max_length=40)] = "",
    repository: Annotated[str, Form(max_length=400)] = "*",
    environment: Annotated[str, Form(max_length=400)] = "*",
    days: Annotated[int, Form(ge=1, le=_LONGEST)] = 90,
) -> HTMLResponse:
    """A token; the page that answers is the only one that ever shows its secret."""
    now = app.clock.now()
    try:
        made = make_token(
            app.accounts,
            principal.login,
            id=new_id(app),
            name=name,
            role=role_of(role),
            repository=pattern_of(repository, what="repository"),
            environment=pattern_of(environment, what="environment"),
            now=now,
            expires=now + timedelta(days=days),
        )
    except UsageError as error:
        return _page(request, app, principal, wrong=said(error), status=422)
    note(request, "token.create", made.token.id, f"{made.token.name}: {made.token.role.value}")
    answer = _page(request, app, principal, secret=made.secret)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.post("/tokens/{token}/revoke")
def revoke(request: Request, app: App, principal: InPerson, token: str) -> Response:
    """One of their own."""
    gone = revoke_token(app.accounts, token, login=principal.login, now=app.clock.now())
    note(request, "token.revoke", gone.id, gone.name)
    return RedirectResponse(_HERE, status_code=303)


@router.post("/sessions/{session}/end")
def end(request: Request, app: App, principal: InPerson, session: str) -> Response:
    """One of their own, by the beginning of its digest."""
    for known in app.accounts.sessions(login=principal.login):
        if len(session) == 16 and known.digest.startswith(session):
            app.accounts.end_sessions(login=principal.login, digest=known.digest)
            note(request, "session.end", principal.login, f"session {known.digest[:12]}")
            return RedirectResponse(_HERE, status_code=303)
    raise HTTPException(404, "you have no such session")


@router.post("/password")
def change_password(
    request: Request,
    app: App,
    principal: InPerson,
    current: Annotated[str, Form(max_length=2000)] = "",
    password: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """For whoever knows the one there is; all sessions end, and this browser gets a new one."""
    now = app.clock.now()
    limits_of(request).accounts.take(f"password of {principal.login}", now)
    note(request, "user.password", principal.login)
    user = recognised(app.accounts, principal.login, current)
    if user is None:
        return _page(request, app, principal, wrong="that is not the password you have", status=403)
    limits_of(request).accounts.give_back(f"password of {principal.login}", now)
    try:
        set_password(app.accounts, principal.login, password)
    except UsageError as error:
        return _page(request, app, principal, wrong=said(error), status=422)
    answer = signed_in(request, user, _HERE)
    note(request, "user.password", principal.login)
    return answer


def said(error: UsageError) -> str:
    """An error for a page."""
    return f"{error.message}: {error.hint}" if error.hint else error.message


def _page(
    request: Request, app: App, principal: Principal, *, wrong: str = "", secret: str = "", status: int = 200
) -> HTMLResponse:
    now = app.clock.now()
    facts = {
        "tokens": in_force(app.accounts.tokens(login=principal.login), now=now),
        "sessions": [item for item in app.accounts.sessions(login=principal.login) if now < item.expires],
        "local": bool(app.accounts.find_user(principal.login).password),
        "admin": principal.may(Role.ADMIN),
        "roles": ROLES,
        "wrong": wrong,
        "secret": secret,
    }
    return page(request, "settings.html", facts, status=status)
