"""The files of the pages: style, script, picture. Their addresses change with their content."""

from __future__ import annotations

import gzip
from functools import cache

from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException

from pipeline.web.access.asking import public
from pipeline.web.pages.rendering import STATIC

router = APIRouter(
    include_in_schema=False, dependencies=[Depends(public("style and script, the same on every server"))]
)

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FILES = frozenset(path.name for path in STATIC.iterdir() if path.suffix in TYPES)
"""Only what lies there under exactly this name is given out."""
FOR_GOOD = "public, max-age=31536000, immutable"


@router.get("/static/{name}")
async def static(name: str, request: Request) -> Response:
    """A file, packed where the browser takes that."""
    if name not in FILES:
        raise HTTPException(404, "there is no such file")
    headers = {"Cache-Control": FOR_GOOD, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    plain, packed = _content(name)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type=_type(name), headers={**headers, "Content-Encoding": "gzip"})
    return Response(plain, media_type=_type(name), headers=headers)


@cache
def _content(name: str) -> tuple[bytes, bytes]:
    content = (STATIC / name).read_bytes()
    return content, gzip.compress(content, 9, mtime=0)


def _type(name: str) -> str:
    return TYPES[name[name.rindex(".") :]]
