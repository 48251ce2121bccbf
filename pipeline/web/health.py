"""Whether the server lives, and whether it can work: for supervision and load balancers."""

from __future__ import annotations

import logging
import shutil

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException

from pipeline import __version__
from pipeline.errors import EcluseError
from pipeline.model.words import size
from pipeline.web.access.asking import public
from pipeline.web.asking import App

_LOG = logging.getLogger(__name__)
router = APIRouter(tags=["health"], dependencies=[Depends(public("supervision has no account"))])


@router.get("/healthz")
async def lives() -> dict[str, str]:
    """The process answers."""
    return {"status": "lives", "version": __version__}


@router.get("/readyz")
def ready(app: App, request: Request) -> dict[str, str]:
    """The database answers, there is room on the disk, and the server does not drain; 503 with the reason otherwise."""
    draining = getattr(request.app.state, "draining", None)
    if draining is not None and draining():
        raise HTTPException(503, "the server is draining: it begins nothing new")
    reserve = app.settings.space_reserve
    if reserve:
        try:
            free = shutil.disk_usage(app.settings.home).free
        except OSError as error:
            raise HTTPException(503, f"ECLUSE_HOME cannot be read: {error.strerror}") from error
        if free < reserve:
            raise HTTPException(503, f"the disk is nearly full: {size(free)} are free, {size(reserve)} are wanted")
    try:
        app.intake.repositories()
    except EcluseError as error:
        _LOG.warning("not ready: %s", error.message)
        raise HTTPException(503, "the database is away: the server's log says more") from error
    return {"status": "ready", "version": __version__}
