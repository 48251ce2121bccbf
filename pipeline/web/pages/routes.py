"""Every router of the pages, in the order in which their routes are asked."""

from __future__ import annotations

from pipeline.web import live
from pipeline.web.pages import files, repositories, run_acts, runs, stages

PAGES = (files.router, repositories.router, live.router, stages.router, run_acts.router, runs.router)
