"""Tokens for programs: made and shown once, listed, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.errors import RefusedError
from pipeline.model.account import Role
from pipeline.operations.access.granting import pattern_of
from pipeline.operations.access.machine import new_id
from pipeline.operations.access.people import login_of
from pipeline.operations.access.shown import NewToken, TokenFacts, new_token, token_facts
from pipeline.operations.access.tokens import make_token, revoke_token
from pipeline.ports.application import Application
from pipeline.web.access.asking import Signed
from pipeline.web.access.principal import Principal
from pipeline.web.access.trail import note
from pipeline.web.api.answers import Cursor, Limit, answer, page
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"], responses=PROBLEMS)

TokenId = Annotated[str, Path(max_length=64)]
_DAYS = 90


async def _maker(person: Signed) -> None:
    """What a program holds must not make itself more of: with a token, only whoever may everything makes another."""
    if person.token is not None:
        person.must(Role.ADMIN)


async def _revoker(person: Signed, token: TokenId) -> None:
    """A program gives its own token back; others are for whoever may everything."""
    if person.token is not None and person.token.id != token:
        person.must(Role.ADMIN)


class WantedToken(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200, description="what will use it")
    role: Role = Field(default=Role.VIEWER, description="it can at most this, and never more than its person")
    repository: str = Field(default="*", max_length=400, description="a name or a glob: where it counts")
    environment: str = Field(default="*", max_length=400, description="a name or a glob: where it counts")
    expires: AwareDatetime | None = Field(default=None, description=f"after {_DAYS} days where nothing is said")
    forever: bool = Field(default=False, description="it does not run out")
    login: str = Field(default="", max_length=200, description="of a robot without a password; your own else")


@router.get("", response_model=page_of(TokenFacts))
def tokens(
    request: Request,
    app: App,
    person: Signed,
    login: Annotated[str, Query(max_length=200, description="theirs; `*` = of all; for admins")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Your own, newest first, those that count no more too."""
    wanted = login.lower() or person.login
    if wanted != person.login:
        person.must(Role.ADMIN)
    found = app.accounts.tokens(login="" if wanted == "*" else wanted, before=cursor, limit=limit + 1)
    return page(request, [token_facts(item) for item in found], limit=limit, cursor=lambda item: item.id)


@router.post("", status_code=201, response_model=shape_of(NewToken), dependencies=[Depends(_maker)])
def make(request: Request, app: App, person: Signed, wanted: Annotated[WantedToken, Body()]) -> Response:
    """A token; this answer is the only one that ever shows its secret."""
    now = app.clock.now()
    made = make_token(
        app.accounts,
        _whose(app, person, wanted.login),
        id=new_id(app),
        name=wanted.name,
        role=wanted.role,
        repository=pattern_of(wanted.repository, what="repository"),
        environment=pattern_of(wanted.environment, what="environment"),
        now=now,
        expires=None if wanted.forever else wanted.expires or now + timedelta(days=_DAYS),
    )
    note(request, "token.create", made.token.id, f"{made.token.name}, of {made.token.login}: {made.token.role.value}")
    told = answer(request, new_token(made), status=201)
    told.headers["Cache-Control"] = "no-store"
    return told


@router.post("/{token}/revoke", response_model=shape_of(TokenFacts), dependencies=[Depends(_revoker)])
def revoke(request: Request, app: App, person: Signed, token: TokenId) -> Response:
    """Let one count no more: your own, as an admin anybody's."""
    everybody = person.may(Role.ADMIN)
    gone = revoke_token(app.accounts, token, login="" if everybody else person.login, now=app.clock.now())
    note(request, "token.revoke", gone.id, f"{gone.name}, of {gone.login}")
    return answer(request, token_facts(gone))


def _whose(app: Application, person: Principal, login: str) -> str:
    """Nobody makes a token in another person's name; those of robots are made by admins."""
    if not login or login_of(login) == person.login:
        return person.login
    person.must(Role.ADMIN)
    user = app.accounts.find_user(login_of(login))
    if user.password or user.issuer:
        raise RefusedError(
            f"'{user.login}' is a person who signs in: nobody else makes tokens in their name",
            hint="they make one themselves, under /settings; for a program add a user without a password",
        )
    return user.login
