"""Environments of a repository: the board, what runs in each and why, and what keeps promotions out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.delivery.dora import Dora
from pipeline.model.account import Role
from pipeline.model.decision import Block, BlockKind
from pipeline.model.release import Measurement
from pipeline.model.status import PromotionState
from pipeline.operations.blocking import block, lift
from pipeline.operations.board import Board, board, board_judge
from pipeline.operations.comparing import Comparison, compare_environments
from pipeline.operations.dora import dora
from pipeline.operations.drifting import Drift, drifts
from pipeline.operations.environment_page import EnvironmentPage, page_of_environment, pages_of_environments
from pipeline.operations.environments import live_promotion, remove_environment
from pipeline.operations.history import History, history
from pipeline.operations.lineage import Lineage, why
from pipeline.operations.serving.place import environments_of
from pipeline.web.access.asking import need
from pipeline.web.api.answers import Cursor, Limit
from pipeline.web.api.asked import Asked, InEnvironment, InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}", tags=["environments"], responses=PROBLEMS)

_READ = [Depends(need(Role.VIEWER))]
_DELIVER = [Depends(need(Role.RELEASE_MANAGER))]
_OWN = [Depends(need(Role.OPERATOR))]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What the checks of one promotion measured, in the order of time."""

    promotion: str
    release: str
    state: PromotionState
    created: datetime
    measurements: tuple[Measurement, ...]


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
def show_board(asked: InRepository) -> Response:
    """What is where, what may move, what keeps it."""
    found = environments_of(asked.app, asked.repository)
    judge = board_judge(asked.app, found, folder=asked.folder, person=asked.person.login)
    mine = tuple(item for item in found.environments if asked.sees(item.name))
    seen = board(asked.app, repository=asked.url, environments=mine, judge=judge)
    return asked.answer(seen)


@router.get("/environments", response_model=list[shape_of(EnvironmentPage)], dependencies=_READ)  # type: ignore[misc]
def environments(asked: InRepository) -> Response:
    """Those that count, with what is live in each; lowest first."""
    found = environments_of(asked.app, asked.repository)
    pages = pages_of_environments(asked.app, found, repository=asked.url)
    return asked.answer([item for item in pages if asked.sees(item.environment.name)])


@router.get("/drift", response_model=list[shape_of(Drift)], dependencies=_READ)  # type: ignore[misc]
def drift(asked: InRepository) -> Response:
    """Whether something else runs anywhere than the ledger says."""
    return asked.answer([item for item in drifts(asked.app, repository=asked.url) if asked.sees(item.environment)])


@router.get("/environments/{environment}", response_model=shape_of(EnvironmentPage), dependencies=_READ)
def environment_in_full(asked: InEnvironment) -> Response:
    """Its definition, its gates, what is live, and what the newest release lacks."""
    found = page_of_environment(
        asked.app,
        environments_of(asked.app, asked.repository),
        asked.environment,
        repository=asked.url,
        folder=asked.folder,
        person=asked.person.login,
        ask=False,
    )
    return asked.answer(found)


@router.get("/environments/{environment}/history", response_model=shape_of(History), dependencies=_READ)
def environment_history(asked: InEnvironment, limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> Response:
    """What was promoted there, newest first, and what runs there now."""
    found = history(asked.app, repository=asked.url, environment=asked.environment, limit=limit)
    return asked.answer(found)


@router.get("/environments/{environment}/measurements", response_model=page_of(Measured), dependencies=_READ)
def environment_measurements(asked: InEnvironment, limit: Limit = 20, cursor: Cursor = "") -> Response:
    """What the checks of its promotions measured, newest promotion first: the points of charts."""
    found = asked.app.records.promotions(
        repository=asked.url, environment=asked.environment, limit=limit + 1, before=cursor
    )
    series = [
        Measured(
            promotion=item.id,
            release=item.release,
            state=item.state,
            created=item.created,
            measurements=tuple(item.measurements),
        )
        for item in found
    ]
    return asked.page(series, limit=limit, cursor=lambda item: item.promotion)


@router.get("/environments/{environment}/why", response_model=shape_of(Lineage), dependencies=_READ)
def environment_why(asked: InEnvironment) -> Response:
    """From what runs there back to people, gates, tests and commit."""
    found = why(asked.app, asked.folder, repository=asked.url, environment=asked.environment)
    return asked.answer(found)


@router.get("/environments/{environment}/drift", response_model=list[shape_of(Drift)], dependencies=_READ)  # type: ignore[misc]
def environment_drift(asked: InEnvironment) -> Response:
    """Whether something else runs there than the ledger says."""
    return asked.answer(drifts(asked.app, repository=asked.url, environment=asked.environment))


@router.get("/environments/{environment}/diff/{other}", response_model=shape_of(Comparison), dependencies=_READ)
def environment_diff(asked: InEnvironment, other: Annotated[str, Path(max_length=200)]) -> Response:
    """What differs between two environments: commits, images, packages, findings, values."""
    asked.person.must(Role.VIEWER, asked.repository, other)
    found = compare_environments(asked.app, asked.folder, asked.url, asked.environment, other)
    return asked.answer(found)


@router.get("/environments/{environment}/dora", response_model=shape_of(Dora), dependencies=_READ)
def environment_dora(asked: InEnvironment, days: Annotated[int, Query(ge=1, le=3650)] = 30) -> Response:
    """How often, how quickly and how safely it is delivered to."""
    return asked.answer(dora(asked.app, asked.folder, repository=asked.url, environment=asked.environment, days=days))


@router.post("/environments/{environment}/hold", status_code=201, response_model=shape_of(Block), dependencies=_DELIVER)
def hold(asked: InEnvironment, wanted: Annotated[Closing, Body()]) -> Response:
    """Keep it as it is for a time. Going back stays possible."""
    return _closed(asked, asked.environment, BlockKind.HOLD, wanted)


@router.post("/environments/{environment}/freeze", status_code=201, response_model=shape_of(Block), dependencies=_OWN)
def freeze(asked: InEnvironment, wanted: Annotated[Closing, Body()]) -> Response:
    """Let nothing in for a time, whoever asks."""
    return _closed(asked, asked.environment, BlockKind.FREEZE, wanted)


@router.post(
    "/environments/{environment}/release-hold",
    response_model=list[shape_of(Block)],  # type: ignore[misc]
    dependencies=_DELIVER,
)
def release_hold(asked: InEnvironment, wanted: Annotated[Opening, Body()]) -> Response:
    """Lift what holds it, or let a release in again that was barred."""
    kinds = frozenset({BlockKind.BAR if wanted.release else BlockKind.HOLD})
    return asked.answer(lift(asked.app, asked.place, kinds, environment=asked.environment, release=wanted.release))


@router.post("/freeze", status_code=201, response_model=shape_of(Block), dependencies=_OWN)
def freeze_all(asked: InRepository, wanted: Annotated[Closing, Body()]) -> Response:
    """Let nothing into any environment for a time. For operators of all of them."""
    return _closed(asked, "", BlockKind.FREEZE, wanted)


@router.post("/unfreeze", response_model=list[shape_of(Block)], dependencies=_OWN)  # type: ignore[misc]
def unfreeze_all(asked: InRepository) -> Response:
    """End the freeze of all environments."""
    return asked.answer(lift(asked.app, asked.place, frozenset({BlockKind.FREEZE}), environment=""))


@router.post(
    "/environments/{environment}/unfreeze",
    response_model=list[shape_of(Block)],  # type: ignore[misc]
    dependencies=_OWN,
)
def unfreeze(asked: InEnvironment) -> Response:
    """End its freeze."""
    return asked.answer(lift(asked.app, asked.place, frozenset({BlockKind.FREEZE}), environment=asked.environment))


@router.delete("/environments/{environment}", status_code=204, dependencies=_OWN)
def remove(asked: InEnvironment, wanted: Annotated[Removal, Body()]) -> Response:
    """Take away all that runs there; the ledger keeps that it was."""
    found = live_promotion(asked.app, repository=asked.url, environment=asked.environment)
    remove_environment(asked.app, found, actor=asked.person.login, reason=wanted.reason, progress=lambda _: None)
    return Response(status_code=204)


def _closed(asked: Asked, environment: str, kind: BlockKind, wanted: Closing) -> Response:
    made = block(asked.app, asked.place, kind, environment=environment, reason=wanted.reason, until=wanted.until)
    return asked.answer(made, status=201)
