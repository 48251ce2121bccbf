"""Secrets of repositories and environments on the pages: written, listed by name, removed; never shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline.errors import UsageError
from pipeline.model.account import Role
from pipeline.operations.access.keeping import keep_secret, place_of_scope, scope_of
from pipeline.ports.vault import SecretNote
from pipeline.web.access.account import said
from pipeline.web.access.asking import InPerson
from pipeline.web.access.principal import Principal
from pipeline.web.access.trail import note
from pipeline.web.asking import App
from pipeline.web.pages.rendering import page

router = APIRouter(prefix="/settings/secrets", include_in_schema=False)


@router.get("")
def secrets(request: Request, app: App, principal: InPerson) -> HTMLResponse:
    """Those that whoever asks looks after."""
    return _page(request, app, principal)


@router.post("")
def keep(
    request: Request,
    app: App,
    principal: InPerson,
    repository: Annotated[str, Form(max_length=400)] = "",
    environment: Annotated[str, Form(max_length=400)] = "",
    name: Annotated[str, Form(max_length=400)] = "",
    value: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:
    """A new version of one."""
    keeper_of(principal, repository, environment)
    try:
        scope = scope_of(app, repository, environment)
        kept = keep_secret(app, scope, name, value.replace("\r\n", "\n"), by=principal.login)
    except UsageError as error:
        return _page(request, app, principal, wrong=said(error))
    note(request, "secret.set", f"{scope}:{kept.name}", f"version {kept.version}")
    return RedirectResponse("/settings/secrets", status_code=303)


@router.post("/remove")
def remove(
    request: Request,
    app: App,
    principal: InPerson,
    repository: Annotated[str, Form(max_length=400)] = "",
    environment: Annotated[str, Form(max_length=400)] = "",
    name: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """One goes."""
    keeper_of(principal, repository, environment)
    scope = scope_of(app, repository, environment)
    app.vault.remove(scope, name)
    note(request, "secret.remove", f"{scope}:{name}")
    return RedirectResponse("/settings/secrets", status_code=303)


def keeper_of(principal: Principal, repository: str, environment: str) -> None:
    """RefusedError for whoever is neither operator of the environment nor, for all runs, admin of the repository."""
    principal.must(Role.OPERATOR if environment else Role.ADMIN, repository, environment)


def _looked_after(app: App, principal: Principal) -> Iterator[tuple[SecretNote, str, str]]:
    for item in app.vault.notes():
        place = place_of_scope(item.scope)
        if place is not None and principal.may(Role.OPERATOR if place[1] else Role.ADMIN, *place):
            yield item, *place


def _page(request: Request, app: App, principal: Principal, *, wrong: str = "") -> HTMLResponse:
    facts = {
        "notes": list(_looked_after(app, principal)),
        "repositories": [item.name for item in app.intake.repositories() if principal.may(Role.VIEWER, item.name)],
        "admin": principal.may(Role.ADMIN),
        "wrong": wrong,
    }
    return page(request, "secrets.html", facts, status=422 if wrong else 200)
