"""The server itself: whether it works, and what waits for it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request, Response

from pipeline import __version__
from pipeline.model.account import Role
from pipeline.model.work import WorkState
from pipeline.web.access.asking import need
from pipeline.web.api.answers import answer
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1", tags=["server"], responses=PROBLEMS)

_MOST = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """How the server is. Numbers of what waits are not counted beyond 1000."""

    version: str
    draining: bool
    """It ends soon, and begins nothing new."""
    workers: int
    queued: int
    taken: int
    parked: int
    undecided: int
    """Webhooks that nobody has looked at yet."""
    free: int
    """Bytes on the disk of its home."""
    space: int
    """Bytes of that disk as a whole."""


@router.get("/health", response_model=shape_of(Health), dependencies=[Depends(need(Role.VIEWER))])
def health(request: Request, app: App) -> Response:
    """Is somebody there to do the work, what waits, and is there room for it?"""
    draining = getattr(request.app.state, "draining", None)
    usage = shutil.disk_usage(app.settings.home)

    def waiting(state: WorkState) -> int:
        return len(app.queue.items(states=(state,), limit=_MOST))

    found = Health(
        version=__version__,
        draining=draining is not None and bool(draining()),
        workers=len(app.queue.workers(now=app.clock.now())),
        queued=waiting(WorkState.QUEUED),
        taken=waiting(WorkState.TAKEN),
        parked=waiting(WorkState.PARKED),
        undecided=len(app.intake.undecided(limit=100)),
        free=usage.free,
        space=usage.total,
    )
    return answer(request, found)
