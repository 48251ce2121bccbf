"""Deliveries that were decided long ago go, and what was copied of logs: everything that grows has an end."""

from __future__ import annotations

from datetime import timedelta

from pipeline.operations.log_elsewhere import forget_copies
from pipeline.ports.application import Application

KEPT = timedelta(days=30)
"""So long a forge may send a delivery again, and people may ask what came of it."""
LOOK_EVERY = 3600.0
"""Seconds between two looks."""


def forget_round(app: Application) -> None:
    """Forget what is older, or over."""
    app.intake.forget_deliveries(before=app.clock.now() - KEPT)
    forget_copies(app)
