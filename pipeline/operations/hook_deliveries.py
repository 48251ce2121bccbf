"""Webhooks that came in: which ones, what came of each, and one of them looked at again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from pipeline.errors import NotFoundError, UsageError
from pipeline.model.incoming import HookDelivery, HookState
from pipeline.model.ulid import ulid
from pipeline.ports.application import Application

_LOOKED_AT = 10_000


def hook_deliveries(app: Application, *, repository: str = "", limit: int = 20) -> Sequence[HookDelivery]:
    """Newest first. NotFoundError for an unknown repository."""
    if repository:
        app.intake.find_repository(repository)
    return app.intake.deliveries(repository=repository, limit=limit)


def redeliver(app: Application, reference: str, *, by: str) -> HookDelivery:
    """Keep a delivery once more, as if it had just come in; what came of the first one stays.

    `reference` is its id or the beginning of it. NotFoundError, UsageError for one that fits several.
    """
    found = [delivery for delivery in app.intake.deliveries(limit=_LOOKED_AT) if delivery.id.startswith(reference)]
    if not found or not reference:
        raise NotFoundError(f"there is no delivery '{reference}'", hint="`ecluse hook list` shows them")
    if len(found) > 1:
        raise UsageError(f"{len(found)} deliveries begin with '{reference}'", hint="write more of the id")
    now = app.clock.now()
    name = ulid(now, os.urandom(10))
    again = replace(
        found[0],
        id=name,
        key=f"{found[0].key[:200]}#again-{name}",
        received=now,
        state=HookState.RECEIVED,
        decision="",
    )
    app.intake.receive(again)
    app.accounts.note_audit(
        time=now,
        login=by,
        action="hook.redeliver",
        subject=again.repository,
        allowed=True,
        detail=found[0].id,
        address="",
    )
    return again
