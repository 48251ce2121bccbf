"""How the API's schema describes its errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from pipeline.web.problems import MEDIA_TYPE


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    status: int
    title: str = Field(description="what is wrong, for people")
    detail: str = Field(default="", description="where")
    hint: str = Field(default="", description="what to do next")


def _problem(words: str) -> dict[str, Any]:
    return {"description": words, "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _problem("the request cannot be read"),
    401: _problem("nobody is signed in"),
    403: _problem("the person may not do this"),
    404: _problem("there is no such thing, or it is not for this person"),
    409: _problem("somebody else was quicker, or it is not the time for it"),
    422: _problem("the request is not as described here, or asks for what cannot be"),
    429: _problem("too many requests"),
    502: _problem("an engine, a registry or a target does not do what it should"),
    503: _problem("something is not there now; worth another try"),
    507: _problem("a disk is full"),
}
"""Answers that any route may give."""
