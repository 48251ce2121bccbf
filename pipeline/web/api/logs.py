"""Logs of a run for programs that print them as `ecluse logs` does, and go on where a cut connection left them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from pipeline.model.account import Role
from pipeline.model.pulse import Pulse
from pipeline.model.run import Run, StageRun
from pipeline.operations.log_parts import Part
from pipeline.operations.log_pieces import LogPiece, Mark, log_pieces, nothing_follows, parse_mark
from pipeline.operations.logs import cells_of, check_attempt, read_parts
from pipeline.ports.application import Application
from pipeline.web.access.asking import need
from pipeline.web.api.asked import InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.runs import Number, run_of
from pipeline.web.api.shapes import shape_of

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}/runs", tags=["runs"], responses=PROBLEMS)

NDJSON = "application/x-ndjson"
_FAR = 2**53 - 1


@router.get(
    "/{number}/logs",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
    dependencies=[Depends(need(Role.VIEWER))],
)
def logs(
    asked: InRepository,
    number: Number,
    stage: Annotated[
        list[str] | None, Query(max_length=500, description="only these, or the cells of these matrices")
    ] = None,
    attempt: Annotated[int, Query(ge=0, le=1000, description="0 = all, or of a part the last one")] = 0,
    service: Annotated[str, Query(max_length=300, description="what this service beside the stage printed")] = "",
    first: Annotated[int, Query(ge=1, le=_FAR, description="from this line on")] = 1,
    last: Annotated[int | None, Query(ge=1, le=_FAR, description="up to this line")] = None,
    tail: Annotated[int | None, Query(ge=0, le=_FAR, description="the last lines only")] = None,
    since: Annotated[AwareDatetime | None, Query(description="from this time on")] = None,
    after: Annotated[
        list[str] | None,
        Query(max_length=2000, description="STAGE:ATTEMPT:BYTES, `start` and the bytes of the last piece had of it"),
    ] = None,
) -> StreamingResponse:
    """What the stages printed as far as there is something: a JSON object a line, each with whole `lines` (bytes that
    are no UTF-8 as lone surrogates), and at last whether anything more can come (`over`)."""
    app, found = asked.app, run_of(asked, number)
    chosen = tuple(item for name_ in stage or (None,) for item in cells_of(found, name_))
    if attempt:
        check_attempt(found, chosen, attempt)
    # asked before anything is read: what a process wrote before it ended is read behind that
    over = nothing_follows(app.records, found, [item.name for item in chosen])
    part = Part(first=first, last=last, tail=tail, since=since)
    if service or not part.everything:
        pieces = _parts(app, found, chosen, part, attempt=attempt, service=service)
    else:
        marks = dict(parse_mark(text) for text in after or ())
        pieces = _pieces(app, found, chosen, attempt=attempt, marks=marks)
    begun = list(_taken(pieces))  # what is wrong is said before the answer begins
    return StreamingResponse(_told(chain(begun, pieces), over=over), media_type=NDJSON)


@router.get("/{number}/pulse", response_model=shape_of(Pulse), dependencies=[Depends(need(Role.VIEWER))])
def pulse(asked: InRepository, number: Number) -> Response:
    """Where a run and its stages stand, without what they made: for whoever asks again and again."""
    return asked.answer(asked.app.records.pulse(run_of(asked, number).id))


def _pieces(
    app: Application, run: Run, stages: tuple[StageRun, ...], *, attempt: int, marks: dict[str, Mark]
) -> Iterator[LogPiece]:
    return log_pieces(app, run, stages, attempt=attempt, marks=marks)


def _parts(
    app: Application, run: Run, stages: tuple[StageRun, ...], part: Part, *, attempt: int, service: str
) -> Iterator[LogPiece]:
    for block in read_parts(app.storage, app.settings.home, run, stages, part, attempt=attempt, service=service):
        yield LogPiece(stage=block.stage, attempt=block.attempt, start=None, lines=block.lines)


def _taken(pieces: Iterator[LogPiece]) -> Iterator[LogPiece]:
    """The first one, where there is one."""
    first = next(pieces, None)
    if first is not None:
        yield first


def _told(pieces: Iterator[LogPiece], *, over: bool) -> Iterator[bytes]:
    for piece in pieces:
        text = piece.lines.decode("utf-8", "surrogateescape")
        said = {"stage": piece.stage, "attempt": piece.attempt, "start": piece.start, "lines": text}
        yield json.dumps(said, separators=(",", ":")).encode() + b"\n"
    yield json.dumps({"over": over}).encode() + b"\n"
