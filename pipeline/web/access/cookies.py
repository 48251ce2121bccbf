"""The server's cookies: never for scripts, never for other sites, and over TLS bound to this very host."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Request, Response

from pipeline.ports.application import Application

SESSION = "ecluse_session"
FORM = "ecluse_form"
"""Before sign-in: what the form's token is made of."""
OIDC = "ecluse_oidc"
"""While somebody is at a provider: what state, nonce and verifier are made of."""


def secure(request: Request) -> bool:
    """Whether browsers come by TLS; behind a proxy the setting `public_url` says so."""
    app: Application = request.app.state.application
    return request.url.scheme == "https" or app.settings.public_url.startswith("https://")


def read(request: Request, name: str) -> str:
    """The cookie's value, or ""; over TLS one without the prefix does not count, for another host could have set it."""
    return request.cookies.get(_spelled(request, name), "")


def write(request: Request, response: Response, name: str, value: str, *, age: timedelta) -> None:
    """Set it for so long."""
    response.set_cookie(
        _spelled(request, name),
        value,
        max_age=int(age.total_seconds()),
        path="/",
        secure=secure(request),
        httponly=True,
        samesite="lax",
    )


def drop(request: Request, response: Response, name: str) -> None:
    """Let the browser forget it."""
    response.delete_cookie(_spelled(request, name), path="/", secure=secure(request), httponly=True, samesite="lax")


def _spelled(request: Request, name: str) -> str:
    return f"__Host-{name}" if secure(request) else name
