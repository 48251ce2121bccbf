"""From a template and its facts to the answer; static files by the digest of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from pipeline.web.access.csrf import csrf_field
from pipeline.web.access.principal import NOBODY
from pipeline.web.pages import words

HERE = Path(__file__).resolve().parent.parent
STATIC = HERE / "static"


@cache
def templates() -> Environment:
    """Autoescape everywhere; a name that a template does not get is an error and not an empty place."""
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("spoken", "duration", "size", "ago", "moment", "short", "count", "bare", "one_line", "first_line"):
        found.filters[name] = getattr(words, name)
    found.filters["coded"] = coded
    looks = {name: getattr(words, name) for name in ("stage_look", "run_look", "promotion_look")}
    found.globals.update(looks, shapes=words.SHAPES, static=static_url, csrf_field=csrf_field)
    return found


def coded(text: object) -> Markup:
    """Words of ours in which commands stand between backticks."""
    pieces = words.bare(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece) for index, piece in enumerate(pieces)
    )


@cache
def static_url(name: str) -> str:
    """The address of a static file, which changes with its content: so browsers may keep it for good."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def page(request: Request, template: str, facts: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """A page for whoever asks. Templates get `now`, `path` and `person` besides their facts."""
    text = templates().get_template(template).render(**_around(request), **facts)
    return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-cache"})


def _around(request: Request) -> Mapping[str, Any]:
    return {
        "now": request.app.state.application.clock.now(),
        "path": request.url.path,
        "person": getattr(request.state, "principal", NOBODY),
        "request": request,
    }
