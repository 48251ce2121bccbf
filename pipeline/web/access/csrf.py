"""Requests that change something come from our own pages: a token in the form or header, and the browser's own word."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.exceptions import HTTPException

from pipeline.operations.access.secret_words import same
from pipeline.ports.application import Application

FIELD = "csrf"
HEADER = "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_REFUSED = "this form is not from a page of this session: open the page anew, and send it once more"


async def check(request: Request, expected: str) -> None:
    """403 for a changing request that does not carry the token of its session."""
    if request.method in SAFE:
        return
    if foreign(request):
        raise HTTPException(403, "this request comes from a page of another site")
    given = request.headers.get(HEADER, "")
    if not given and request.headers.get("content-type", "").split(";")[0].strip().lower() in _FORMS:
        value = (await request.form()).get(FIELD, "")
        given = value if isinstance(value, str) else ""
    if not expected or not same(given, expected):
        raise HTTPException(403, _REFUSED)


def foreign(request: Request) -> bool:
    """Whether the browser says that a page of somebody else asks."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    app: Application = request.app.state.application
    ours = {request.headers.get("host", ""), urlsplit(app.settings.public_url).netloc} - {""}
    return urlsplit(origin).netloc not in ours


@pass_context
def csrf_field(context: Context) -> Markup:
    """The hidden field of a form; for templates."""
    request: Request = context["request"]
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, getattr(request.state, "csrf", ""))
