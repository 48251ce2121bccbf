"""`/system`: workers, what waits for them, where the space goes."""

from __future__ import annotations

import shutil

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from pipeline import __version__
from pipeline.model.account import Role
from pipeline.model.ledger import plain_address
from pipeline.model.work import WorkState
from pipeline.web.access.asking import need
from pipeline.web.asking import App
from pipeline.web.live import live_of
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False, dependencies=[Depends(need(Role.VIEWER))])

_SOME = 50


@router.get("/system")
def system(request: Request, app: App) -> HTMLResponse:
    """Is somebody there to do the work, and is there room for it?"""
    home = app.settings.home
    usage = shutil.disk_usage(home)
    database = home / "records.db"
    facts = {
        "workers": app.queue.workers(now=app.clock.now()),
        "open": app.queue.items(states=(WorkState.QUEUED, WorkState.TAKEN, WorkState.PARKED), limit=_SOME),
        "over": app.queue.items(states=(WorkState.DONE,), limit=15),
        "deliveries": app.intake.delivery_notes(limit=15),
        "version": __version__,
        "database": plain_address(app.settings.database) if app.settings.database else str(database),
        "database_size": database.stat().st_size if database.exists() else 0,
        "free": usage.free,
        "whole": usage.total,
        "streams": live_of(request).streams,
    }
    return page(request, "system.html", facts)
