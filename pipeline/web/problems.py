"""Errors as the API tells them: problem+json (RFC 9457) with what, why and what to do next."""

from __future__ import annotations

import json
import logging
from contextlib import suppress

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from pipeline.errors import (
    DiskFullError,
    EcluseError,
    ExitCode,
    LeaseLostError,
    NotFoundError,
    ParkedError,
    RefusedError,
)

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger(__name__)
_NAMES = {
    401: "Sign in first",
    403: "Not allowed",
    404: "There is no such thing here",
    405: "This cannot be done here",
    409: "Not now",
    422: "Something is missing or wrong",
    429: "Too often",
    500: "The server made a mistake",
    502: "Something behind the server failed",
    503: "Not now: the server is busy or ends",
    507: "The disk is full",
}
"""What the page of an error is headed by."""


def status_of(error: EcluseError) -> int:
    """The HTTP status of an error of ours."""
    match error:
        case NotFoundError():
            return 404
        case RefusedError():
            return 403
        case LeaseLostError() | ParkedError():
            return 409
        case DiskFullError():
            return 507
        case _ if error.exit_code is ExitCode.USAGE:
            return 422
        case _ if error.transient:
            return 503
        case _:
            return 502


def problem(status: int, title: str, *, detail: str = "", hint: str = "") -> JSONResponse:
    """An answer that says what is wrong; `hint` is what to do next."""
    body: dict[str, object] = {"type": "about:blank", "status": status, "title": title}
    if detail:
        body["detail"] = detail
    if hint:
        body["hint"] = hint
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


async def told(request: Request, error: Exception) -> Response:
    """Any error as an answer; what is nobody's fault but ours is logged, and its words stay here. A browser that asks
    for a page gets one."""
    answer = _told(error)
    if answer.status_code < 400 or not _wants_page(request):
        return answer
    if answer.status_code == 404 and request.method == "GET":
        await _recognise(request)
    return _page(request, answer)


async def _recognise(request: Request) -> None:
    """Who asks for an address that is none: no route has asked them, and whoever is signed in stays so to the eye."""
    from pipeline.web.access.asking import anyone

    with suppress(EcluseError, HTTPException):
        await anyone(request)


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def _page(request: Request, answer: JSONResponse) -> Response:
    from pipeline.web.pages.rendering import page

    said = json.loads(bytes(answer.body))
    back = request.url.path if answer.status_code == 409 else "/"
    facts = {
        "status": answer.status_code,
        "name": _NAMES.get(answer.status_code, "This did not work"),
        "title": said["title"],
        "detail": said.get("detail", ""),
        "hint": said.get("hint", ""),
        "back": back,
    }
    made = page(request, "error.html", facts, status=answer.status_code)
    kept = ((key, value) for key, value in answer.headers.items() if key not in ("content-type", "content-length"))
    made.headers.update(dict(kept))
    return made


def _told(error: Exception) -> JSONResponse:
    match error:
        case EcluseError():
            return problem(status_of(error), error.message, hint=error.hint)
        case HTTPException():
            nowhere = error.status_code == 404 and error.detail == "Not Found"
            answer = problem(error.status_code, "nothing is at this address" if nowhere else str(error.detail))
            answer.headers.update(error.headers or {})
            return answer
        case RequestValidationError():
            places = "; ".join(
                f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
            )
            return problem(
                422, "the request is not as the API describes it", detail=places, hint="see /api/v1/openapi.json"
            )
        case _:
            _LOG.error("a request met a mistake of ours", exc_info=error)
            return problem(500, "the server made a mistake", hint="its log has the details")
