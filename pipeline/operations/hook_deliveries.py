"""Webhooks that came in: which ones, what came of each, and one of them looked at again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from pipeline.model.incoming import DeliveryNote, HookDelivery, HookState
from pipeline.model.ulid import ulid
from pipeline.ports.application import Application


def hook_deliveries(
    app: Application, *, repository: str = "", limit: int = 20, before: str = ""
) -> Sequence[DeliveryNote]:
    """Newest first; with `before` those of a smaller id. NotFoundError for an unknown repository."""
    if repository:
        app.intake.find_repository(repository)
    return app.intake.delivery_notes(repository=repository, limit=limit, before=before)


def redeliver(app: Application, reference: str, *, repository: str = "", key: str = "") -> HookDelivery:
    """Keep a delivery once more, as if it had just come in; what came of the first one stays.

    `reference` is its id or the beginning of it. With the same `key` it is kept once. NotFoundError, UsageError for one
    that fits several.
    """
    found = app.intake.find_delivery(reference, repository=repository)
    now = app.clock.now()
    name = ulid(now, os.urandom(10))
    again = replace(
        found,
        id=name,
        key=f"{found.key[:200]}#again-{key or name}",
        received=now,
        state=HookState.RECEIVED,
        decision="",
    )
    app.intake.receive(again)
    return again


def note_of(delivery: HookDelivery) -> DeliveryNote:
    """What lists show of it."""
    return DeliveryNote(
        id=delivery.id,
        repository=delivery.repository,
        key=delivery.key,
        event=delivery.event,
        received=delivery.received,
        state=delivery.state,
        decision=delivery.decision,
        bytes=len(delivery.body),
    )
