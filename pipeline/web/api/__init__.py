"""The JSON API: everything that the command can do, for programs."""

from __future__ import annotations

from pipeline.web.api import (
    audit,
    deliveries,
    environments,
    files,
    ledger,
    log_search,
    logs,
    me,
    people,
    promotions,
    queue,
    releases,
    repositories,
    runs,
    secrets,
    server,
    tests,
    tokens,
)

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
    log_search.router,
    files.router,
    secrets.router,
    deliveries.router,
    people.router,
    tokens.router,
    audit.router,
    server.router,
)
"""By what they are about."""
