"""Whether the server lives, and whether it can work: for supervision and load balancers."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException

from pipeline import __version__
from pipeline.web.access.asking import public
from pipeline.web.asking import App

router = APIRouter(tags=["health"], dependencies=[Depends(public("supervision has no account"))])


@router.get("/healthz")
async def lives() -> dict[str, str]:
    """The process answers."""
    return {"status": "lives", "version": __version__}


@router.get("/readyz")
def ready(app: App, request: Request) -> dict[str, str]:
    """The database answers too; 503 where it does not, and while the server drains."""
    draining = getattr(request.app.state, "draining", None)
    if draining is not None and draining():
        raise HTTPException(503, "the server is draining: it begins nothing new")
    app.intake.repositories()
    return {"status": "ready", "version": __version__}
