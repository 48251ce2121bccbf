"""Environments of a repository: the board, what runs in each and why, and what keeps promotions out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.delivery.dora import Dora
from pipeline.model.account import Role
from pipeline.model.decision import Block, BlockKind
from pipeline.operations.blocking import block, lift
from pipeline.operations.board import Board, board, board_judge
from pipeline.operations.comparing import Comparison, compare_environments
from pipeline.operations.dora import dora
from pipeline.operations.drifting import Drift, drifts
from pipeline.operations.environment_page import EnvironmentPage, page_of_environment
from pipeline.operations.environments import live_promotion, remove_environment
from pipeline.operations.history import History, history
from pipeline.operations.lineage import Lineage, why
from pipeline.operations.repositories import url_of
from pipeline.operations.serving.place import environments_of, folder_of, place_of
from pipeline.web.access.asking import Signed, need
from pipeline.web.api.answers import answer
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.runs import Name, Owner
from pipeline.web.api.shapes import shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}", tags=["environments"], responses=PROBLEMS)

Environment = Annotated[str, Path(max_length=200)]
_READ = [Depends(need(Role.VIEWER))]
_DELIVER = [Depends(need(Role.RELEASE_MANAGER))]
_OWN = [Depends(need(Role.OPERATOR))]


class Closing(BaseModel):
    """Keeping promotions out for a time."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=2000)
    until: AwareDatetime | None = Field(default=None, description="its end; until somebody lifts it else")


class Opening(BaseModel):
    """Letting promotions in again."""

    model_config = ConfigDict(extra="forbid")
    release: str = Field(default="", max_length=200, description="a release that was barred; the hold else")


class Removal(BaseModel):
    """Taking an environment away."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=2000)


@router.get("/board", response_model=shape_of(Board), dependencies=_READ)
def show_board(request: Request, app: App, person: Signed, owner: Owner, name: Name) -> Response:
    """What is where, what may move, what keeps it."""
    repository = f"{owner}/{name}"
    found = environments_of(app, repository)
    judge = board_judge(app, found, folder=folder_of(app, repository), person=person.login)
    seen = board(app, repository=url_of(app, repository), environments=found.environments, judge=judge)
    return answer(request, seen)


@router.get("/environments/{environment}", response_model=shape_of(EnvironmentPage), dependencies=_READ)
def environment_in_full(
    request: Request, app: App, person: Signed, owner: Owner, name: Name, environment: Environment
) -> Response:
    """Its definition, its gates, what is live, and what the newest release lacks."""
    repository = f"{owner}/{name}"
    found = page_of_environment(
        app,
        environments_of(app, repository),
        environment,
        repository=url_of(app, repository),
        folder=folder_of(app, repository),
        person=person.login,
        ask=False,
    )
    return answer(request, found)


@router.get("/environments/{environment}/history", response_model=shape_of(History), dependencies=_READ)
def environment_history(
    request: Request,
    app: App,
    owner: Owner,
    name: Name,
    environment: Environment,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> Response:
    """What was promoted there, newest first, and what runs there now."""
    found = history(app, repository=url_of(app, f"{owner}/{name}"), environment=environment, limit=limit)
    return answer(request, found)


@router.get("/environments/{environment}/why", response_model=shape_of(Lineage), dependencies=_READ)
def environment_why(request: Request, app: App, owner: Owner, name: Name, environment: Environment) -> Response:
    """From what runs there back to people, gates, tests and commit."""
    repository = f"{owner}/{name}"
    found = why(app, folder_of(app, repository), repository=url_of(app, repository), environment=environment)
    return answer(request, found)


@router.get("/environments/{environment}/drift", response_model=list[shape_of(Drift)], dependencies=_READ)  # type: ignore[misc]
def environment_drift(request: Request, app: App, owner: Owner, name: Name, environment: Environment) -> Response:
    """Whether something else runs there than the ledger says."""
    return answer(request, drifts(app, repository=url_of(app, f"{owner}/{name}"), environment=environment))


@router.get("/environments/{environment}/diff/{other}", response_model=shape_of(Comparison), dependencies=_READ)
def environment_diff(
    request: Request, app: App, owner: Owner, name: Name, environment: Environment, other: Environment
) -> Response:
    """What differs between two environments: commits, images, packages, findings, values."""
    repository = f"{owner}/{name}"
    found = compare_environments(app, folder_of(app, repository), url_of(app, repository), environment, other)
    return answer(request, found)


@router.get("/environments/{environment}/dora", response_model=shape_of(Dora), dependencies=_READ)
def environment_dora(
    request: Request,
    app: App,
    owner: Owner,
    name: Name,
    environment: Environment,
    days: Annotated[int, Query(ge=1, le=3650)] = 30,
) -> Response:
    """How often, how quickly and how safely it is delivered to."""
    repository = f"{owner}/{name}"
    place = folder_of(app, repository)
    return answer(request, dora(app, place, repository=url_of(app, repository), environment=environment, days=days))


@router.post("/environments/{environment}/hold", status_code=201, response_model=shape_of(Block), dependencies=_DELIVER)
def hold(
    request: Request,
    app: App,
    person: Signed,
    owner: Owner,
    name: Name,
    environment: Environment,
    wanted: Annotated[Closing, Body()],
) -> Response:
    """Keep it as it is for a time. Going back stays possible."""
    return _closed(request, app, person, owner, name, BlockKind.HOLD, environment, wanted.reason, wanted.until)


@router.post("/environments/{environment}/freeze", status_code=201, response_model=shape_of(Block), dependencies=_OWN)
def freeze(
    request: Request,
    app: App,
    person: Signed,
    owner: Owner,
    name: Name,
    environment: Environment,
    wanted: Annotated[Closing, Body()],
) -> Response:
    """Let nothing in for a time, whoever asks."""
    return _closed(request, app, person, owner, name, BlockKind.FREEZE, environment, wanted.reason, wanted.until)


@router.post(
    "/environments/{environment}/release-hold",
    response_model=list[shape_of(Block)],  # type: ignore[misc]
    dependencies=_DELIVER,
)
def release_hold(
    request: Request,
    app: App,
    person: Signed,
    owner: Owner,
    name: Name,
    environment: Environment,
    wanted: Annotated[Opening, Body()],
) -> Response:
    """Lift what holds it, or let a release in again that was barred."""
    place = place_of(app, f"{owner}/{name}", person=person.login)
    kinds = frozenset({BlockKind.BAR if wanted.release else BlockKind.HOLD})
    return answer(request, lift(app, place, kinds, environment=environment, release=wanted.release))


@router.post(
    "/environments/{environment}/unfreeze",
    response_model=list[shape_of(Block)],  # type: ignore[misc]
    dependencies=_OWN,
)
def unfreeze(
    request: Request, app: App, person: Signed, owner: Owner, name: Name, environment: Environment
) -> Response:
    """End its freeze."""
    place = place_of(app, f"{owner}/{name}", person=person.login)
    return answer(request, lift(app, place, frozenset({BlockKind.FREEZE}), environment=environment))


@router.delete("/environments/{environment}", status_code=204, dependencies=_OWN)
def remove(
    app: App,
    person: Signed,
    owner: Owner,
    name: Name,
    environment: Environment,
    wanted: Annotated[Removal, Body()],
) -> Response:
    """Take away all that runs there; the ledger keeps that it was."""
    found = live_promotion(app, repository=url_of(app, f"{owner}/{name}"), environment=environment)
    remove_environment(app, found, actor=person.login, reason=wanted.reason, progress=lambda _: None)
    return Response(status_code=204)


def _closed(
    request: Request,
    app: App,
    person: Signed,
    owner: str,
    name: str,
    kind: BlockKind,
    environment: str,
    reason: str,
    until: datetime | None,
) -> Response:
    place = place_of(app, f"{owner}/{name}", person=person.login)
    made = block(app, place, kind, environment=environment, reason=reason, until=until)
    return answer(request, made, status=201)
