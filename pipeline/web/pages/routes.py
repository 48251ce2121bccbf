"""Every router of the pages, in the order in which their routes are asked."""

from __future__ import annotations

from pipeline.web import live
from pipeline.web.pages import (
    artifacts,
    board,
    delivery,
    files,
    ledger,
    repositories,
    run_acts,
    runs,
    stages,
    system,
    tested,
)

PAGES = (
    files.router,
    repositories.router,
    live.router,
    artifacts.router,
    stages.router,
    run_acts.router,
    tested.router,
    runs.router,
    board.router,
    delivery.router,
    ledger.router,
    system.router,
)
