"""Signing in at a provider: there with a seed in a cookie, back with a code."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from pipeline.operations.access.machine import new_id
from pipeline.operations.access.secret_words import derived, new_secret, same
from pipeline.operations.access.vouching import bring_up_to_date, given_by, recognise
from pipeline.web.access import cookies
from pipeline.web.access.asking import public
from pipeline.web.access.limits import limits_of
from pipeline.web.access.login import signed_in
from pipeline.web.access.provider import Provider, provider_of
from pipeline.web.access.requests import address_of, local_path
from pipeline.web.access.trail import note
from pipeline.web.asking import App

router = APIRouter(
    prefix="/login/oidc", include_in_schema=False, dependencies=[Depends(public("the provider says who it is"))]
)
_AWAY = timedelta(minutes=10)


@router.get("")
def go(request: Request, app: App, next: str = "/") -> Response:  # noqa: A002 - the parameter's name in URLs
    """To the provider."""
    limits_of(request).addresses.check(address_of(request), app.clock.now())
    seed = new_secret()
    response = RedirectResponse(_provider(request, app).way_there(seed), status_code=303)
    target = base64.urlsafe_b64encode(local_path(next).encode()).decode()
    cookies.write(request, response, cookies.OIDC, f"{seed}.{target}", age=_AWAY)
    return response


@router.get("/back")
def back(request: Request, app: App, code: str = "", state: str = "", error: str = "") -> Response:
    """From the provider: a session for whom it vouches for, if this browser is the one that was sent there."""
    now = app.clock.now()
    limits_of(request).addresses.take(address_of(request), now)
    note(request, "session.begin", "at a provider")
    seed, _, target = cookies.read(request, cookies.OIDC).partition(".")
    if not seed or not same(state, derived(seed, "state")):
        raise HTTPException(403, "this sign-in was not begun in this browser, or too long ago: begin it anew")
    if error or not code:
        raise HTTPException(403, "the provider did not let you in")
    provider = _provider(request, app)
    vouched = provider.vouched(seed, code, now=now)
    claims = vouched.claims
    user = recognise(
        app.accounts,
        issuer=vouched.issuer,
        subject=vouched.subject,
        login=_text(claims, provider.login_claim) or _text(claims, "email"),
        name=_text(claims, "name"),
        email=_text(claims, "email"),
        now=now,
    )
    given = given_by(_groups(claims.get(provider.groups_claim)), app.settings.oidc_grants)
    bring_up_to_date(app.accounts, user, given, now=now, new_id=lambda: new_id(app))
    limits_of(request).addresses.give_back(address_of(request), now)
    response = signed_in(request, user, _target(target))
    cookies.drop(request, response, cookies.OIDC)
    return response


def _provider(request: Request, app: App) -> Provider:
    base = app.settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
    found = provider_of(app.settings, back=f"{base}/login/oidc/back")
    if found is None:
        raise HTTPException(404, "this server has no provider to sign in at")
    return found


def _target(text: str) -> str:
    try:
        return local_path(base64.urlsafe_b64decode(text.encode()).decode())
    except ValueError:
        return "/"


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _groups(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
