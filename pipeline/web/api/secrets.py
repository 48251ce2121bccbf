"""Secrets that the server keeps for runs and environments: written, listed by name, removed; never shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.model.account import Role
from pipeline.operations.access.keeping import keep_secret, place_of_scope, scope_of
from pipeline.ports.vault import SecretNote
from pipeline.web.access.asking import Signed, need
from pipeline.web.access.trail import note
from pipeline.web.api.answers import answer
from pipeline.web.api.asked import Asked, InEnvironment, InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1", tags=["secrets"], responses=PROBLEMS)

SecretName = Annotated[str, Path(max_length=200)]
_HERE = "/repositories/{owner}/{name}/secrets/{secret}"
_THERE = "/repositories/{owner}/{name}/environments/{environment}/secrets/{secret}"
_ALL_RUNS = [Depends(need(Role.ADMIN))]
_ENVIRONMENT = [Depends(need(Role.OPERATOR))]


class Word(BaseModel):
    """A secret's value."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    value: str = Field(min_length=1, max_length=100_000, repr=False)


@router.get("/secrets", response_model=list[shape_of(SecretNote)])  # type: ignore[misc]
def secrets(
    request: Request,
    app: App,
    person: Signed,
    repository: Annotated[str, Query(max_length=400, description="only of this one")] = "",
) -> Response:
    """Names of those that you look after, with who set them and when."""
    found = []
    for item in app.vault.notes():
        place = place_of_scope(item.scope)
        if place is None or (repository and place[0] != repository):
            continue
        if person.may(Role.OPERATOR if place[1] else Role.ADMIN, *place):
            found.append(item)
    return answer(request, found)


@router.put(_HERE, response_model=shape_of(SecretNote), dependencies=_ALL_RUNS)
def set_secret(asked: InRepository, secret: SecretName, wanted: Annotated[Word, Body()]) -> Response:
    """Keep a new version, for the trusted runs of the repository."""
    return _kept(asked, "", secret, wanted)


@router.put(_THERE, response_model=shape_of(SecretNote), dependencies=_ENVIRONMENT)
def set_environment_secret(asked: InEnvironment, secret: SecretName, wanted: Annotated[Word, Body()]) -> Response:
    """Keep a new version, for what the repository does in this environment."""
    return _kept(asked, asked.environment, secret, wanted)


@router.delete(_HERE, status_code=204, dependencies=_ALL_RUNS)
def remove_secret(asked: InRepository, secret: SecretName) -> Response:
    """Forget it."""
    return _removed(asked, "", secret)


@router.delete(_THERE, status_code=204, dependencies=_ENVIRONMENT)
def remove_environment_secret(asked: InEnvironment, secret: SecretName) -> Response:
    """Forget it."""
    return _removed(asked, asked.environment, secret)


def _kept(asked: Asked, environment: str, secret: str, wanted: Word) -> Response:
    scope = scope_of(asked.app, asked.repository, environment)
    kept = keep_secret(asked.app, scope, secret, wanted.value, by=asked.person.login)
    note(asked.request, "secret.set", f"{scope}:{kept.name}", f"version {kept.version}")
    return asked.answer(kept)


def _removed(asked: Asked, environment: str, secret: str) -> Response:
    scope = scope_of(asked.app, asked.repository, environment)
    asked.app.vault.remove(scope, secret)
    note(asked.request, "secret.remove", f"{scope}:{secret}")
    return Response(status_code=204)
