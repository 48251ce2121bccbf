"""Webhooks that came in: listed, looked at in full, looked at once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from pipeline.model.account import Role
from pipeline.model.incoming import DeliveryNote, HookState
from pipeline.operations.hook_deliveries import hook_deliveries, note_of, redeliver
from pipeline.web.access.asking import need
from pipeline.web.access.trail import note
from pipeline.web.api.answers import Cursor, Limit, answer, page
from pipeline.web.api.asked import InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1", tags=["webhooks"], responses=PROBLEMS, dependencies=[Depends(need(Role.ADMIN))])

Reference = Annotated[str, Path(max_length=64, description="a delivery's id, or its beginning")]
_OF = "/repositories/{owner}/{name}/deliveries"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryInFull:
    """A webhook as it arrived. Signatures and tokens were never kept."""

    id: str
    repository: str
    key: str
    event: str
    received: datetime
    state: HookState
    decision: str
    headers: Mapping[str, str]
    body: str
    """As text; bytes that are no UTF-8 are replaced."""


@router.get("/deliveries", response_model=page_of(DeliveryNote))
def all_deliveries(request: Request, app: App, limit: Limit = 20, cursor: Cursor = "") -> Response:
    """Of all repositories, newest first, and what came of each."""
    found = hook_deliveries(app, limit=limit + 1, before=cursor)
    return page(request, found, limit=limit, cursor=lambda item: item.id)


@router.get("/deliveries/{delivery}", response_model=shape_of(DeliveryNote))
def any_delivery(request: Request, app: App, delivery: Reference) -> Response:
    """One of whichever repository."""
    return answer(request, note_of(app.intake.find_delivery(delivery)))


@router.get(_OF, response_model=page_of(DeliveryNote))
def deliveries(asked: InRepository, limit: Limit = 20, cursor: Cursor = "") -> Response:
    """Newest first, and what came of each."""
    found = hook_deliveries(asked.app, repository=asked.repository, limit=limit + 1, before=cursor)
    return asked.page(found, limit=limit, cursor=lambda item: item.id)


@router.get(_OF + "/{delivery}", response_model=shape_of(DeliveryInFull))
def delivery_in_full(asked: InRepository, delivery: Reference) -> Response:
    """One of them with what was sent."""
    found = asked.app.intake.find_delivery(delivery, repository=asked.repository)
    return asked.answer(
        DeliveryInFull(
            id=found.id,
            repository=found.repository,
            key=found.key,
            event=found.event,
            received=found.received,
            state=found.state,
            decision=found.decision,
            headers=found.headers,
            body=found.body.decode("utf-8", "replace"),
        )
    )


@router.post(_OF + "/{delivery}/redeliver", status_code=202, response_model=shape_of(DeliveryNote))
def deliver_again(asked: InRepository, delivery: Reference) -> Response:
    """Look at it once more, as if it had just come in. With the same `Idempotency-Key` it is looked at once."""
    made = redeliver(asked.app, delivery, repository=asked.repository, key=asked.key)
    note(asked.request, "hook.redeliver", made.repository, made.id)
    return asked.answer(note_of(made), status=202)
