"""The ledger: who did what, when and why, and whether it holds. For people who may see every repository."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from pipeline.errors import NotFoundError
from pipeline.model.account import Role
from pipeline.model.release import LedgerEntry
from pipeline.model.value import to_value
from pipeline.operations.ledger_export import export_lines
from pipeline.operations.ledger_head import Head, current_head
from pipeline.operations.ledger_shown import Wanted, entry_of, shown
from pipeline.operations.ledger_verify import Evidence, Verification, verify_records
from pipeline.web.access.asking import need
from pipeline.web.api.answers import answer, page
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of
from pipeline.web.asking import App

router = APIRouter(
    prefix="/api/v1/ledger", tags=["ledger"], responses=PROBLEMS, dependencies=[Depends(need(Role.VIEWER))]
)

Seq = Annotated[int, Path(ge=1, le=2**53 - 1)]


@router.get("", response_model=page_of(LedgerEntry))
def entries(
    request: Request,
    app: App,
    after: Annotated[int, Query(ge=0, le=2**53 - 1, description="entries behind this one, in order")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """The entries in order: all of them, page by page (`next` goes into `after`)."""
    found = app.records.ledger(after=after, limit=limit + 1)
    return page(request, found, limit=limit, cursor=lambda entry: str(entry.seq))


@router.get("/newest", response_model=list[shape_of(LedgerEntry)])  # type: ignore[misc]
def newest(
    request: Request,
    app: App,
    action: Annotated[list[str] | None, Query(max_length=20)] = None,
    subject: Annotated[str, Query(max_length=200)] = "",
    actor: Annotated[str, Query(max_length=200)] = "",
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> Response:
    """The newest that match, oldest first."""
    wanted = Wanted(actions=tuple(action or ()), subject=subject, actor=actor, since=since, until=until, newest=limit)
    return answer(request, shown(app.records, wanted))


@router.get("/head", response_model=shape_of(Head))
def head(request: Request, app: App) -> Response:
    """The last entry, signed where the server has a key: keep it elsewhere, to prove later that nothing was cut off."""
    found = current_head(app)
    if found is None:
        raise NotFoundError("the ledger is empty", hint="the first deployment begins it")
    return answer(request, found)


@router.get("/verification", response_model=shape_of(Verification))
def verification(request: Request, app: App) -> Response:
    """Whether the chain holds, from the first entry to the last."""
    found = verify_records(app, Evidence(), progress=lambda _: None)
    value = to_value(found)
    return answer(request, {**value, "holds": found.holds} if isinstance(value, dict) else value)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/jsonl": {"schema": {"type": "string"}}}}},
)
def export(app: App) -> StreamingResponse:
    """Every entry, a line of JSON each, and the head: what `ecluse ledger verify FILE` takes, offline."""
    headers = {"Content-Disposition": 'attachment; filename="ledger.jsonl"'}
    return StreamingResponse(
        export_lines(app.records, current_head(app)), media_type="application/jsonl", headers=headers
    )


@router.get("/{seq}", response_model=shape_of(LedgerEntry))
def entry(request: Request, app: App, seq: Seq) -> Response:
    """One entry."""
    return answer(request, entry_of(app.records, seq))
