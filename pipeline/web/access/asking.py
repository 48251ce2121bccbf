"""What routes ask of the request's sender: who it is, and that they may."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from pipeline.errors import NotFoundError
from pipeline.model.account import Role, User
from pipeline.operations.access.sessions import session_of
from pipeline.operations.access.tokens import token_of
from pipeline.ports.application import Application
from pipeline.web.access import cookies, csrf
from pipeline.web.access.limits import limits_of
from pipeline.web.access.principal import NOBODY, Principal
from pipeline.web.access.requests import address_of
from pipeline.web.access.trail import unaudited

__all__ = ["Anyone", "InPerson", "Need", "Public", "Signed", "as_now", "need", "public"]
_BEARER = "bearer "


async def anyone(request: Request) -> Principal:
    """Who asks, or nobody. A wrong token, and a form that is not of the session, are refused and not overlooked."""
    found = getattr(request.state, "principal", None)
    if isinstance(found, Principal):
        return found
    authorization = request.headers.get("authorization", "")
    if authorization[: len(_BEARER)].lower() == _BEARER:
        principal = await run_in_threadpool(_by_token, request, authorization[len(_BEARER) :].strip())
    elif authorization:
        raise HTTPException(401, "only tokens are understood", headers={"WWW-Authenticate": "Bearer"})
    else:
        principal, token = await run_in_threadpool(_by_session, request)
        request.state.csrf = token
        if principal.login:
            await csrf.check(request, token)
    request.state.principal = principal
    return principal


async def signed(request: Request, principal: Annotated[Principal, Depends(anyone)]) -> Principal:
    """Who asks; nobody is sent to sign in (pages), or told to (programs)."""
    if principal.login:
        return principal
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        away = f"/login?next={quote(here, safe='')}"
        if request.headers.get("hx-request"):
            raise HTTPException(401, "sign in first", headers={"HX-Redirect": "/login"})
        raise HTTPException(303, "sign in first", headers={"Location": away})
    raise HTTPException(401, "sign in first, or send a token", headers={"WWW-Authenticate": "Bearer"})


Anyone = Annotated[Principal, Depends(anyone)]
"""Who asks; perhaps nobody. A route with nothing more has to say why with `public`."""
Signed = Annotated[Principal, Depends(signed)]
"""Who asks; somebody. What they may do is for the route to ask (`principal.must`)."""


async def in_person(principal: Signed) -> Principal:
    """Somebody at a browser; 403 for a token: what a program holds must not make itself more of."""
    if principal.token is not None:
        raise HTTPException(403, "this is for people who have signed in, not for tokens")
    return principal


InPerson = Annotated[Principal, Depends(in_person)]
"""Who asks; somebody with a session."""


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency: the role, in the repository and environment that the path names."""

    role: Role

    async def __call__(self, request: Request, principal: Signed) -> Principal:
        """Who asks. 403 where they may not."""
        repository, environment = place_of(request)
        principal.must(self.role, repository, environment)
        return principal


@dataclass(frozen=True, slots=True)
class Public:
    """A dependency that does nothing: the mark of a route that is for everybody, and why that is so."""

    why: str
    audited: bool = True

    async def __call__(self, request: Request) -> None:
        """Nothing to ask."""
        if not self.audited:
            unaudited(request)


def need(role: Role) -> Need:
    """For `Depends(...)`: the role in the path's `{owner}/{name}` (or `{repository}`) and `{environment}`."""
    return Need(role)


def public(why: str, *, audited: bool = True) -> Public:
    """For `Depends(...)`: the route asks nobody who they are. With `audited=False` it keeps its own account."""
    return Public(why, audited)


def place_of(request: Request) -> tuple[str, str]:
    """The repository and environment that the path names; "" for what it does not."""
    named = request.path_params
    repository = str(named.get("repository", ""))
    if "owner" in named and "name" in named:
        repository = f"{named['owner']}/{named['name']}"
    return repository, str(named.get("environment", ""))


def _by_token(request: Request, secret: str) -> Principal:
    app: Application = request.app.state.application
    now = app.clock.now()
    address = address_of(request)
    limits_of(request).tokens.check(address, now)
    token = token_of(app.accounts, secret, now=now)
    user = _user(app, token.login) if token is not None else None
    if token is None or user is None:
        limits_of(request).tokens.failed(address, now)
        raise HTTPException(401, "this token is not known, or counts no more", headers={"WWW-Authenticate": "Bearer"})
    grants = tuple(app.accounts.grants(login=user.login))
    return Principal(login=user.login, name=user.name, grants=grants, token=token)


def _by_session(request: Request) -> tuple[Principal, str]:
    app: Application = request.app.state.application
    secret = cookies.read(request, cookies.SESSION)
    session = session_of(app.accounts, secret, now=app.clock.now()) if secret else None
    user = _user(app, session.login) if session is not None else None
    if session is None or user is None:
        return NOBODY, ""
    grants = tuple(app.accounts.grants(login=user.login))
    return Principal(login=user.login, name=user.name, grants=grants, session=session.digest), session.csrf


def as_now(app: Application, principal: Principal) -> Principal | None:
    """The same sender with the roles of this instant; None once the session or the token counts no more, or the person
    is shut out. For what goes on after it was allowed; it is no use of the session."""
    now = app.clock.now()
    if principal.token is not None:
        token = app.accounts.token_of(principal.token.digest)
        counts = token is not None and token.valid(now)
    else:
        session = app.accounts.session_of(principal.session)
        counts = session is not None and now < session.expires
    if not counts or _user(app, principal.login) is None:
        return None
    return replace(principal, grants=tuple(app.accounts.grants(login=principal.login)))


def _user(app: Application, login: str) -> User | None:
    try:
        user = app.accounts.find_user(login)
    except NotFoundError:
        return None
    return None if user.disabled else user
