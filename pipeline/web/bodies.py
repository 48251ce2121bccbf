"""Bodies of requests: how long each may be, how long it may take, and how much of all of them is held at a time."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.web.problems import told

LIMIT = 2 * 1024**2
"""Bytes of one body: forms, the API's JSON, a secret that is set."""
HELD = 64 * 1024**2
"""Bytes of all bodies that are under way together: they are read before it is known who sends them."""
WITHIN = 30.0
"""Seconds within which a body has to be there."""
_TOO_LONG = f"a request has at most {LIMIT // 1024**2} MB"


class Bodies:
    """An ASGI layer: a route reads a body as ever, and gets 413, 408 or 503 in its place."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and count."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if too_long(scope):
            answer = await told(Request(scope), HTTPException(413, _TOO_LONG, headers={"Connection": "close"}))
            await answer(scope, receive, send)
            return
        until = asyncio.get_running_loop().time() + WITHIN
        size, over = 0, not _has_body(scope)

        async def receiving() -> Message:
            nonlocal size, over
            if over:  # what comes behind the body is the end of the connection, which may take as long as it likes
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the request's body was not there within {WITHIN:.0f} s") from None
            over = message["type"] != "http.request" or not message.get("more_body", False)
            part = len(message.get("body", b""))
            size += part
            self._held += part
            if size > LIMIT:
                raise HTTPException(413, _TOO_LONG)
            if self._held > HELD:
                raise HTTPException(503, "too many requests are under way", headers={"Retry-After": "5"})
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not over:  # the rest of the body is not read
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        try:
            await self._app(scope, receiving, sending)
        finally:
            self._held -= size


def too_long(scope: Scope) -> bool:
    """Whether a request says itself that its body is longer than any may be."""
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return said.isdigit() and (len(said) > 12 or int(said) > LIMIT)


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in scope["headers"])
