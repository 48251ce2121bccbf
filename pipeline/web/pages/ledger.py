"""`/ledger`: who did what, when and why; whether the chain holds."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from pipeline.model.account import Role
from pipeline.operations.ledger_shown import Wanted, shown
from pipeline.operations.ledger_verify import Evidence, Verification, verify_records
from pipeline.ports.application import Application
from pipeline.web.access.asking import need
from pipeline.web.asking import App
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False, dependencies=[Depends(need(Role.VIEWER))])

_PAGE = 60
_lock = threading.Lock()
_verified: dict[str, Verification] = {}
"""By the hash of the head: the same chain needs not be gone through twice."""


@router.get("/ledger")
def ledger(
    request: Request,
    app: App,
    subject: Annotated[str, Query(max_length=200)] = "",
    actor: Annotated[str, Query(max_length=200)] = "",
    action: Annotated[str, Query(max_length=100)] = "",
    before: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> HTMLResponse:
    """The newest entries first, or those in front of an entry."""
    filters = bool(subject or actor or action)
    if before and not filters:
        found = list(app.records.ledger(after=max(0, before - 1 - _PAGE), limit=min(_PAGE, before - 1)))
    else:
        wanted = Wanted(actions=(action,) if action else (), subject=subject, actor=actor, newest=_PAGE)
        found = list(shown(app.records, wanted))
    facts = {
        "entries": list(reversed(found)),
        "subject": subject,
        "actor": actor,
        "action": action,
        "older": found[0].seq if found and found[0].seq > 1 and not filters else 0,
    }
    return page(request, "ledger.html", facts)


@router.get("/ledger/verified")
def verified(request: Request, app: App) -> HTMLResponse:
    """Whether every entry holds, from the first to the last."""
    return page(request, "verified.html", {"found": _verification(app)})


def _verification(app: Application) -> Verification | None:
    head = app.records.head()
    if head is None:
        return None
    with _lock:
        if head.hash not in _verified:
            _verified.clear()
            _verified[head.hash] = verify_records(app, Evidence(), progress=lambda _: None)
        return _verified[head.hash]
