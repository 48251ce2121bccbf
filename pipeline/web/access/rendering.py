"""Pages of sign-in and settings: a template, its facts, and the form's token."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.web.access.csrf import csrf_field


@cache
def _templates() -> Environment:
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    found.globals["csrf_field"] = csrf_field
    return found


def page(request: Request, template: str, facts: Mapping[str, object], *, status: int = 200) -> HTMLResponse:
    """A page for whoever asks."""
    text = _templates().get_template(template).render(request=request, **facts)
    return HTMLResponse(text, status_code=status)
