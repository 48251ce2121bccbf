"""Server-sent events: that something changed, and how a run goes on; `Live` keeps the streams."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from pipeline.model.account import Role
from pipeline.model.status import RunState
from pipeline.operations.repositories import url_of
from pipeline.web.access.asking import Signed, need
from pipeline.web.access.principal import Principal
from pipeline.web.asking import App
from pipeline.web.live_rights import Follower
from pipeline.web.live_streams import ALIVE, Live, event
from pipeline.web.pages.words import duration, spoken, stage_look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.model.pulse import Pulse, StagePulse

router = APIRouter(include_in_schema=False)


def live_of(request: Request) -> Live:
    """The streams of this process."""
    found: Live = request.app.state.live
    return found


def streamed(said: AsyncIterator[bytes]) -> StreamingResponse:
    """An answer that goes on; neither a cache nor a proxy may keep anything of it."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(said, media_type="text/event-stream", headers=headers)


@router.get("/live")
async def anything(
    request: Request, app: App, principal: Signed, repository: Annotated[str, Query(max_length=300)] = ""
) -> StreamingResponse:
    """`changed` whenever a run of the repository (or of any) comes or goes on, or the ledger grows."""
    if repository:
        principal.must(Role.VIEWER, repository)
    live = live_of(request)
    live.check_room(principal.login)
    url = await run_in_threadpool(url_of, app, repository) if repository else ""

    def look() -> tuple[object, ...]:
        newest = app.records.glance(repository=url, limit=30)
        head = app.records.head()
        return (*((run.id, run.state, run.conclusion) for run in newest), head.seq if head else 0)

    follower = Follower(principal=principal, repository=repository)
    return streamed(live.watch(follower, f"any {url}", look, _changed(request.headers.get("last-event-id", ""))))


def _changed(known: str) -> Callable[[Any, Any], bytes]:
    """`changed` with a word for what was seen; at once for a browser that comes back and saw something else."""

    def tell(before: object, now: object) -> bytes:
        word = hashlib.sha256(repr(now).encode()).hexdigest()[:16]
        is_news = before is not None or (known and known != word)
        return event("changed", {}, id=word) if is_news else f"id: {word}\n".encode() + ALIVE

    return tell


@router.get("/r/{owner}/{name}/runs/{number}/events")
async def of_run(
    request: Request,
    app: App,
    owner: str,
    name: str,
    number: str,
    principal: Annotated[Principal, Depends(need(Role.VIEWER))],
) -> StreamingResponse:
    """`stages` with those that moved; `changed` when the run itself did or has other stages; `over` at its end."""
    live = live_of(request)
    live.check_room(principal.login)
    url = await run_in_threadpool(url_of, app, f"{owner}/{name}")
    run = await run_in_threadpool(app.records.find_run, number, repository=url)
    return streamed(
        live.watch(
            Follower(principal=principal, repository=f"{owner}/{name}"),
            f"run {run.id}",
            lambda: app.records.pulse(run.id),
            _moved,
            ends=lambda pulse: pulse.state is RunState.DONE,
        )
    )


def _moved(before: Pulse | None, now: Pulse) -> bytes:
    """What a page has to change. The first time that is everything that has begun: the page may be older."""
    known = {stage.name: stage for stage in before.stages} if before else {}
    moved = [_told(stage) for stage in now.stages if known.get(stage.name) != stage]
    said = event("stages", moved) if moved else ALIVE
    if before is None:
        return said
    others = [stage.name for stage in before.stages] != [stage.name for stage in now.stages]
    return said + event("changed", {}) if others or before.state is not now.state else said


def _told(stage: StagePulse) -> dict[str, str]:
    ran = (stage.finished - stage.started).total_seconds() if stage.started and stage.finished else None
    return {
        "name": stage.name,
        "look": stage_look(stage.state, stage.conclusion),
        "word": spoken(stage.conclusion or stage.state),
        "seconds": duration(ran),
    }
