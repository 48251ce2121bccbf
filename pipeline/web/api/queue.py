"""The queue and the workers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from pipeline.errors import NotFoundError
from pipeline.model.account import Role
from pipeline.model.work import Worker, WorkItem, WorkState
from pipeline.operations.serving.asking import cancel_run
from pipeline.ports.application import Application
from pipeline.web.access.asking import Signed, need
from pipeline.web.access.principal import Principal
from pipeline.web.api.answers import answer
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1", tags=["queue"], responses=PROBLEMS)


@router.get("/queue", response_model=list[shape_of(WorkItem)])  # type: ignore[misc]
def items(
    request: Request,
    app: App,
    person: Signed,
    state: Annotated[list[WorkState] | None, Query(max_length=4)] = None,
    repository: Annotated[str, Query(max_length=300, description="only of this one")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """What waits and what is under way, in the order of its turn; only what this person may see."""
    seen = None if person.may(Role.VIEWER) else _visible(app, person)
    found = app.queue.items(states=tuple(state or ()), repository=repository, among=seen, limit=limit)
    return answer(request, found)


@router.get("/queue/{item}", response_model=shape_of(WorkItem))
def item(request: Request, app: App, person: Signed, item: Annotated[str, Path(pattern="^[0-9a-z]{26}$")]) -> Response:
    """One item: a run or a promotion that somebody asked for."""
    return answer(request, _seen(app, person, item))


@router.post("/queue/{item}/cancel", status_code=202, response_model=shape_of(WorkItem))
def cancel(
    request: Request, app: App, person: Signed, item: Annotated[str, Path(pattern="^[0-9a-z]{26}$")]
) -> Response:
    """Ask for the end of what somebody asked for, whether it has begun or not."""
    found = _seen(app, person, item)
    person.must(Role.RELEASE_MANAGER if found.request.wish else Role.DEVELOPER, found.request.repository, _where(found))
    return answer(request, cancel_run(app, found.id, by=person.login), status=202)


def _seen(app: Application, person: Principal, item: str) -> WorkItem:
    """An item that this person may see; others are not there for them."""
    found = app.queue.find(item)
    if not person.may(Role.VIEWER, found.request.repository):
        raise NotFoundError(f"nobody asked the server for a run '{item}'", hint="`queue` lists what waits")
    return found


def _where(item: WorkItem) -> str:
    return item.request.wish.environment if item.request.wish else ""


@router.get("/workers", response_model=list[shape_of(Worker)], dependencies=[Depends(need(Role.VIEWER))])  # type: ignore[misc]
def workers(request: Request, app: App) -> Response:
    """Who makes runs, with what labels, and when each was last heard of."""
    return answer(request, app.queue.workers(now=app.clock.now()))


def _visible(app: Application, person: Principal) -> frozenset[str]:
    """Repositories that somebody may look at who may not look at all."""
    return frozenset(item.name for item in app.intake.repositories() if person.may(Role.VIEWER, item.name))
