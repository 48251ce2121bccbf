"""How the API answers: JSON with an ETag, and lists page by page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request, Response

from pipeline.model.value import to_value

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=200, description="items of a page")]
Cursor = Annotated[
    str,
    Query(
        max_length=200,
        pattern=r"^[A-Za-z0-9:._@+-]*$",
        description="`next` of the page before; leave it away for the first",
    ),
]


def answer(request: Request, thing: object, *, status: int = 200) -> Response:
    """A value as JSON. With the ETag that the client has already, 304 and no body."""
    body = json.dumps(to_value(thing), separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if status == 200 and request.method == "GET" and tag in _tags(request):
        return Response(status_code=304, headers=headers)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def page(
    request: Request,
    items: Sequence[Item],
    *,
    limit: int,
    cursor: Callable[[Item], str],
    keep: Callable[[Item], bool] = lambda _: True,
) -> Response:
    """A page of a list of which one item more than `limit` was asked for, if there is one; only items to `keep`."""
    shown = items[:limit]
    following: Any = cursor(shown[-1]) if len(items) > limit and shown else None
    return answer(request, {"items": [item for item in shown if keep(item)], "next": following})


def _tags(request: Request) -> frozenset[str]:
    told = request.headers.get("if-none-match", "")
    return frozenset(item.strip().removeprefix("W/") for item in told.split(","))


def keyed(login: str, request: Request) -> str:
    """What makes a repeated request the same one: the client's `Idempotency-Key`, within what this person asked for;
    "" where the client gives none."""
    told = request.headers.get("idempotency-key", "")
    return f"asked:{hashlib.sha256(f'{login} {request.url.path} {told}'.encode()).hexdigest()}" if told else ""
