"""The people of a server and their roles; for its admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import UsageError
from pipeline.model.account import Grant, Role, User
from pipeline.operations.access.granting import give
from pipeline.operations.access.machine import new_id
from pipeline.operations.access.people import add_user, disable, login_of, set_password
from pipeline.operations.access.shown import Person, person_of
from pipeline.ports.application import Application
from pipeline.web.access.asking import Signed, need
from pipeline.web.access.trail import note
from pipeline.web.api.answers import Cursor, Limit, answer, page
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1", tags=["people"], responses=PROBLEMS, dependencies=[Depends(need(Role.ADMIN))])

Login = Annotated[str, Path(max_length=200)]


class NewPerson(BaseModel):
    """Somebody who is to use the server."""

    model_config = ConfigDict(extra="forbid")
    login: str = Field(min_length=1, max_length=200)
    name: str = Field(default="", max_length=400, description="what people call them")
    email: str = Field(default="", max_length=200)
    password: str = Field(
        default="", max_length=2000, description="none for a robot, and for whoever signs in elsewhere"
    )


class NewPassword(BaseModel):
    """What somebody signs in with from now on."""

    model_config = ConfigDict(extra="forbid")
    password: str = Field(min_length=1, max_length=2000)


class NewGrant(BaseModel):
    """One more role."""

    model_config = ConfigDict(extra="forbid")
    role: Role
    repository: str = Field(default="*", max_length=400, description="a name or a glob")
    environment: str = Field(default="*", max_length=400, description="a name or a glob")


@router.get("/people", response_model=page_of(Person))
def people(request: Request, app: App, limit: Limit = 50, cursor: Cursor = "") -> Response:
    """Everybody with what they may do, by login."""
    users = app.accounts.users(after=cursor, limit=limit + 1)
    grants = app.accounts.grants()
    return page(request, [person_of(user, grants) for user in users], limit=limit, cursor=lambda item: item.login)


@router.post("/people", status_code=201, response_model=shape_of(Person))
def add_person(request: Request, app: App, wanted: Annotated[NewPerson, Body()]) -> Response:
    """Add somebody. They may do nothing until somebody grants it."""
    user = add_user(
        app.accounts,
        wanted.login,
        name=wanted.name,
        email=wanted.email,
        password=wanted.password,
        now=app.clock.now(),
    )
    note(request, "user.add", user.login)
    return _person(request, app, user, status=201)


@router.get("/people/{login}", response_model=shape_of(Person))
def person_in_full(request: Request, app: App, login: Login) -> Response:
    """One of them."""
    return _person(request, app, app.accounts.find_user(login_of(login)))


@router.post("/people/{login}/disable", response_model=shape_of(Person))
def disable_person(request: Request, app: App, person: Signed, login: Login) -> Response:
    """Let nothing of theirs count any more: sessions end, tokens are refused. Nobody does it to themselves."""
    if login_of(login) == person.login:
        raise UsageError("you would lock yourself out", hint="let another admin do it")
    user = disable(app.accounts, login)
    note(request, "user.disable", user.login)
    return _person(request, app, user)


@router.post("/people/{login}/enable", response_model=shape_of(Person))
def enable_person(request: Request, app: App, login: Login) -> Response:
    """Let them in again; their sessions stay ended."""
    user = disable(app.accounts, login, disabled=False)
    note(request, "user.enable", user.login)
    return _person(request, app, user)


@router.post("/people/{login}/password", response_model=shape_of(Person))
def reset_password(request: Request, app: App, login: Login, wanted: Annotated[NewPassword, Body()]) -> Response:
    """Give them a new password; their sessions end. Not for those whom a provider vouches for."""
    known = app.accounts.find_user(login_of(login))
    if known.issuer:
        raise UsageError(f"'{known.login}' signs in at {known.issuer}", hint="their password is changed there")
    user = set_password(app.accounts, login, wanted.password)
    note(request, "user.password", user.login)
    return _person(request, app, user)


@router.get("/grants", response_model=page_of(Grant))
def grants(
    request: Request,
    app: App,
    login: Annotated[str, Query(max_length=200, description="only theirs")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Who may do what, oldest first."""
    found = app.accounts.grants(login=login.lower(), after=cursor, limit=limit + 1)
    return page(request, found, limit=limit, cursor=lambda item: item.id)


@router.post("/people/{login}/grants", status_code=201, response_model=shape_of(Grant))
def add_grant(
    request: Request, app: App, person: Signed, login: Login, wanted: Annotated[NewGrant, Body()]
) -> Response:
    """Give somebody a role; each may what those before it may."""
    made = give(
        app.accounts,
        login,
        wanted.role,
        id=new_id(app),
        repository=wanted.repository,
        environment=wanted.environment,
        now=app.clock.now(),
        by=person.login,
    )
    note(request, "grant.add", made.login, f"{made.role.value} in {made.repository}, {made.environment}")
    return answer(request, made, status=201)


@router.delete("/grants/{grant}", status_code=204)
def remove_grant(request: Request, app: App, person: Signed, grant: Annotated[str, Path(max_length=64)]) -> Response:
    """Take a role back; it counts no more from the next request on. Nobody takes their own of admin."""
    if any(item.id == grant and item.role is Role.ADMIN for item in app.accounts.grants(login=person.login)):
        raise UsageError("you would take your own rights", hint="let another admin do it")
    app.accounts.remove_grant(grant)
    note(request, "grant.remove", grant)
    return Response(status_code=204)


def _person(request: Request, app: Application, user: User, *, status: int = 200) -> Response:
    return answer(request, person_of(user, app.accounts.grants(login=user.login)), status=status)
