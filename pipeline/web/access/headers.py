"""What every answer tells the browser: run nothing of others, show it nowhere else, guess no types."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.web.problems import told

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_ALWAYS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())
_PRIVATE = (b"cache-control", b"private, no-cache")
_TLS = (b"strict-transport-security", b"max-age=31536000")


class SafeHeaders:
    """An ASGI layer around all routes. What a route says itself of these stays."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add them to the answer, also to the one that says that the server made a mistake."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tls = (_TLS,) if self._secure or scope.get("scheme") == "https" else ()
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                more = [pair for pair in (*_ALWAYS, _PRIVATE, *tls) if pair[0] not in names]
                message = {**message, "headers": [*given, *more]}
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if begun:
                raise
            answer = await told(Request(scope), error)
            await answer(scope, receive, sending)
