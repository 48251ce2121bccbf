"""The JSON API: everything that the command can do, for programs."""

from __future__ import annotations

from pipeline.web.api import environments, ledger, logs, me, promotions, queue, releases, repositories, runs, tests

ROUTERS = (
    me.router,
    repositories.router,
    logs.router,
    runs.router,
    tests.router,
    releases.router,
    environments.router,
    promotions.router,
    ledger.router,
    queue.router,
)
"""By what they are about."""
