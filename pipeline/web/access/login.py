"""Signing in with a password, and out again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline.model.account import User
from pipeline.operations.access.people import recognised
from pipeline.operations.access.secret_words import derived, digest_of, new_secret
from pipeline.operations.access.sessions import WHOLE, open_session
from pipeline.ports.application import Application
from pipeline.settings import Settings
from pipeline.web.access import cookies, csrf
from pipeline.web.access.asking import Signed, public
from pipeline.web.access.limits import limits_of
from pipeline.web.access.requests import address_of, local_path
from pipeline.web.access.trail import note
from pipeline.web.asking import App
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False)
_OPEN = Depends(public("whoever signs in is not signed in yet"))
_FORM_AGE = timedelta(hours=2)
_WRONG = "this login and password do not go together"


@router.get("/login", dependencies=[_OPEN])
def sign_in_page(request: Request, next: str = "/") -> HTMLResponse:  # noqa: A002 - the parameter's name in URLs
    """The form."""
    return form_page(request, "login.html", _facts(request, next))


@router.post("/login", dependencies=[_OPEN])
async def sign_in(
    request: Request,
    app: App,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=2000)] = "",
    next: Annotated[str, Form(max_length=4000)] = "/",  # noqa: A002
) -> Response:
    """A session for whoever knows the password; else the form again, as late for nobody as for somebody."""
    from fastapi.concurrency import run_in_threadpool

    await check_form(request)
    user = await run_in_threadpool(_known, request, app, login, password)
    target = local_path(next)
    if user is None:
        facts = {**_facts(request, next), "login": login[:80], "wrong": _WRONG}
        return form_page(request, "login.html", facts, status=401)
    return await run_in_threadpool(signed_in, request, user, target)


@router.post("/logout")
def sign_out(request: Request, app: App, principal: Signed, everywhere: Annotated[str, Form()] = "") -> Response:
    """This session ends; with `everywhere` all of the person do."""
    note(request, "session.end", principal.login, "everywhere" if everywhere else "")
    if everywhere:
        app.accounts.end_sessions(login=principal.login)
    elif principal.session:
        app.accounts.end_sessions(digest=principal.session)
    response = RedirectResponse("/login", status_code=303)
    cookies.drop(request, response, cookies.SESSION)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def signed_in(request: Request, user: User, target: str) -> Response:
    """The way on for somebody who has proved who they are: a session that was not there before."""
    app: Application = request.app.state.application
    opened = open_session(
        app.accounts,
        user.login,
        now=app.clock.now(),
        address=address_of(request),
        agent=request.headers.get("user-agent", ""),
        before=cookies.read(request, cookies.SESSION),
    )
    note(request, "session.begin", user.login, f"session {opened.session.digest[:12]}", login=user.login)
    response = RedirectResponse(local_path(target), status_code=303)
    cookies.write(request, response, cookies.SESSION, opened.secret, age=WHOLE)
    cookies.drop(request, response, cookies.FORM)
    return response


def form_page(request: Request, template: str, facts: Mapping[str, object], *, status: int = 200) -> HTMLResponse:
    """A page with a form for somebody who is not signed in: its token belongs to a cookie of this browser."""
    secret = cookies.read(request, cookies.FORM) or new_secret()
    request.state.csrf = derived(secret, "form")
    response = page(request, template, facts, status=status)
    cookies.write(request, response, cookies.FORM, secret, age=_FORM_AGE)
    response.headers["Cache-Control"] = "no-store"
    return response


async def check_form(request: Request) -> None:
    """403 for a form that `form_page` did not give to this browser."""
    secret = cookies.read(request, cookies.FORM)
    await csrf.check(request, derived(secret, "form") if secret else "")


def _facts(request: Request, target: str) -> Mapping[str, object]:
    app: Application = request.app.state.application
    return {"next": local_path(target), "login": "", "wrong": "", "provider": _provider(app.settings)}


def _provider(settings: Settings) -> str:
    return settings.oidc.get("name") or settings.oidc.get("issuer", "")


def _known(request: Request, app: Application, login: str, password: str) -> User | None:
    now, address, limits = app.clock.now(), address_of(request), limits_of(request)
    login = login.strip().lower()[:80]
    note(request, "session.begin", login, "wrong login or password", login="")
    account = _bucket(app, login, address)
    limits.addresses.take(address, now)
    limits.accounts.take(account, now)
    user = recognised(app.accounts, login, password)
    if user is not None:
        limits.addresses.give_back(address, now)
        limits.accounts.give_back(account, now)
    return user


def _bucket(app: Application, login: str, address: str) -> str:
    """What failures count against: an address where the person is signed in has a count of its own, so that a stranger
    elsewhere cannot lock them out."""
    known = any(session.address == address for session in app.accounts.sessions(login=login))
    return digest_of(f"{login}\n{address}" if known else login)
