"""The audit trail: what people changed by the server, and what they were refused; for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from pipeline.model.account import AuditEntry, Role
from pipeline.web.access.asking import need
from pipeline.web.api.answers import Limit, page
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1", tags=["audit"], responses=PROBLEMS)


@router.get("/audit", response_model=page_of(AuditEntry), dependencies=[Depends(need(Role.ADMIN))])
def trail(
    request: Request,
    app: App,
    login: Annotated[str, Query(max_length=80, description="only what they did")] = "",
    action: Annotated[str, Query(max_length=80, description="`token.create`, say")] = "",
    limit: Limit = 100,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next` of the page before")] = 0,
) -> Response:
    """Newest first."""
    found = app.accounts.audit(login=login, action=action, before=cursor, limit=limit + 1)
    return page(request, found, limit=limit, cursor=lambda line: str(line.seq))
