"""The audit trail of the server: every request that changes something, and every one that was refused."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.ports.application import Application
from pipeline.web.access.csrf import SAFE
from pipeline.web.access.limits import limits_of
from pipeline.web.access.principal import NOBODY, Principal
from pipeline.web.access.requests import address_of

_UNHEARD = frozenset({400, 404, 405, 406, 409, 412, 413, 415, 422})
"""Answers to requests that changed nothing and that nobody was refused: they are no news."""
_REFUSED = frozenset({401, 403, 429})
_LONGEST = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """What a route says of itself; without one its name and path speak."""

    action: str
    subject: str
    detail: str = ""
    login: str = ""
    """Of whoever is only about to sign in."""


def note(request: Request, action: str, subject: str, detail: str = "", *, login: str = "") -> None:
    """For routes: what the audit trail shall say of this request (`token.create`, the token's id)."""
    request.state.note = Note(action=action, subject=subject, detail=detail, login=login)


def unaudited(request: Request) -> None:
    """For routes that keep their own account of every request."""
    request.state.unaudited = True


class Trail:
    """An ASGI layer: the line is written before the answer begins, so nothing changes without one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and look at the answer's status."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_news(request, message["status"]):
                await run_in_threadpool(_write, request, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if _is_news(request, 500):
                await run_in_threadpool(_write, request, 500)
            raise


def _is_news(request: Request, status: int) -> bool:
    if getattr(request.state, "unaudited", False) or status in _UNHEARD:
        return False
    if request.method in SAFE:
        return status in (403, 429) or hasattr(request.state, "note")
    return True


def _write(request: Request, status: int) -> None:
    app: Application = request.app.state.application
    principal: Principal = getattr(request.state, "principal", NOBODY)
    refused = status in _REFUSED
    now, address = app.clock.now(), address_of(request)
    if refused and not principal.login and not limits_of(request).refusals.allows(address, now):
        return
    said: Note = getattr(request.state, "note", None) or Note(action=_action(request), subject=request.url.path)
    details = (said.detail, principal.means, "" if status < 400 else f"answered {status}")
    app.accounts.note_audit(
        time=now,
        login=principal.login or said.login,
        action=said.action,
        subject=said.subject[:_LONGEST],
        allowed=not refused,
        detail="; ".join(part for part in details if part)[:_LONGEST],
        address=address,
    )


def _action(request: Request) -> str:
    """The route's own name (`cancel_run` → `cancel.run`), else the method."""
    endpoint = request.scope.get("endpoint")
    name = getattr(endpoint, "__name__", "") or request.method
    return name.strip("_").lower().replace("_", ".")
