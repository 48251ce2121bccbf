"""Whether the server lives, and whether it can work: for supervision and load balancers."""

from __future__ import annotations

from fastapi import APIRouter

from pipeline import __version__
from pipeline.web.asking import App

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def lives() -> dict[str, str]:
    """The process answers."""
    return {"status": "lives", "version": __version__}


@router.get("/readyz")
def ready(app: App) -> dict[str, str]:
    """The database answers too; 503 where it does not."""
    app.intake.repositories()
    return {"status": "ready", "version": __version__}
