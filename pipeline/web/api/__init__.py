"""The JSON API: everything that the command can do, for programs."""

from __future__ import annotations

from pipeline.web.api import environments, ledger, promotions, queue, releases, repositories, runs, tests

ROUTERS = (
    repositories.router,
    runs.router,
    tests.router,
    releases.router,
    environments.router,
    promotions.router,
    ledger.router,
    queue.router,
)
"""By what they are about."""
