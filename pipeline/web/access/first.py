"""The first admin of a server: by the link that its machine shows while nobody is there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from pipeline.errors import UsageError
from pipeline.operations.access.beginning import begin, is_first
from pipeline.web.access.asking import public
from pipeline.web.access.limits import limits_of
from pipeline.web.access.login import check_form, form_page, signed_in
from pipeline.web.access.requests import address_of
from pipeline.web.access.trail import note
from pipeline.web.asking import App

router = APIRouter(
    include_in_schema=False, dependencies=[Depends(public("the key in the link is what proves it; it is good once"))]
)
_GONE = "this link is not good, or not any more"


@router.get("/first")
def first_page(request: Request, app: App, key: str = "") -> HTMLResponse:
    """The form, for whoever has the link."""
    _check(request, app, key)
    return form_page(request, "first.html", {"key": key, "login": "", "name": "", "wrong": ""})


@router.post("/first")
async def make_first(
    request: Request,
    app: App,
    key: Annotated[str, Form(max_length=200)] = "",
    login: Annotated[str, Form(max_length=200)] = "",
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """The first admin, signed in at once; else the form again, with what is wrong."""
    await check_form(request)
    await run_in_threadpool(_check, request, app, key)
    note(request, "user.first", login[:80])
    try:
        user = await run_in_threadpool(begin, app, key, login=login, name=name, password=password)
    except UsageError as error:
        facts = {"key": key, "login": login[:80], "name": name, "wrong": f"{error.message}: {error.hint}"}
        return form_page(request, "first.html", facts, status=422)
    response = await run_in_threadpool(signed_in, request, user, "/")
    note(request, "user.first", user.login, "admin of all", login=user.login)
    return response


def _check(request: Request, app: App, key: str) -> None:
    """404 without the key: then there is no such page."""
    now, address = app.clock.now(), address_of(request)
    limits_of(request).addresses.check(address, now)
    if not is_first(app, key):
        limits_of(request).addresses.failed(address, now)
        raise HTTPException(404, _GONE)
