"""Searching the logs of a run, or of a repository's newest ones: within bounds of lines, bytes and time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from pipeline.model.account import Role
from pipeline.model.history import LogPlace
from pipeline.operations.log_search import Expression, Hit, places_in, places_of, search
from pipeline.operations.logs import cells_of
from pipeline.web.access.asking import need
from pipeline.web.api.asked import Asked, InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}", tags=["runs"], responses=PROBLEMS)

WIDEST = 2000
"""Bytes of a line that are told."""
LONGEST = 20.0
"""Seconds after which no further log is begun."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLine:
    """A line that matched, or (`matched` false) one beside it."""

    run: str
    number: int
    stage: str
    attempt: int
    service: str
    line: int
    text: str
    """Without time and colours; bytes that are no UTF-8 are replaced."""
    matched: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search came to. `whole` is false where it stopped before its last log: too many matches, or no time."""

    lines: tuple[FoundLine, ...]
    logs: int
    """That there are to search."""
    missing: int
    """That the storage does not have whole any more."""
    whole: bool


@dataclass(slots=True)
class _Progress:
    """How far a search got."""

    missing: list[LogPlace] = field(default_factory=list)
    stopped: bool = False


@router.get("/log-search", response_model=shape_of(Found), dependencies=[Depends(need(Role.VIEWER))])
def search_logs(
    asked: InRepository,
    pattern: Annotated[str, Query(min_length=1, max_length=1000, description="a regular expression of RE2")],
    run: Annotated[str, Query(max_length=26, description="only this one: its number or id")] = "",
    stage: Annotated[str, Query(max_length=300, description="only this one, with all its cells")] = "",
    attempt: Annotated[int, Query(ge=0, le=1000, description="0 = all")] = 0,
    service: Annotated[str, Query(max_length=300)] = "",
    branch: Annotated[str, Query(max_length=250)] = "",
    failed: Annotated[bool, Query(description="only runs that went wrong")] = False,
    runs: Annotated[int, Query(ge=1, le=500, description="the newest so many")] = 20,
    context: Annotated[int, Query(ge=0, le=20, description="lines around each match")] = 0,
    most: Annotated[int, Query(ge=1, le=2000, description="matches after which it stops")] = 200,
) -> Response:
    """Lines that match, log by log, the newest run first."""
    expression = Expression(pattern)
    places = [
        item
        for item in _places(asked, run, stage, branch=branch, failed=failed, runs=runs)
        if attempt in (0, item.attempt) and (not service or item.service == service)
    ]
    progress = _Progress()
    hits = search(
        asked.app.storage,
        _in_time(asked, places, progress),
        expression,
        context=context,
        most=most,
        missing=progress.missing.append,
    )
    lines = tuple(_line(hit) for hit in hits)
    whole = not progress.stopped and sum(line.matched for line in lines) < most
    return asked.answer(Found(lines=lines, logs=len(places), missing=len(progress.missing), whole=whole))


def _places(asked: Asked, run: str, stage: str, *, branch: str, failed: bool, runs: int) -> Sequence[LogPlace]:
    records = asked.app.records
    if not run:
        return places_of(records, repository=asked.url, branch=branch, failed=failed, runs=runs, stage=stage)
    found = records.find_run(run, repository=asked.url)
    return places_in(found, cells_of(found, stage or None))


def _in_time(asked: Asked, places: Iterable[LogPlace], progress: _Progress) -> Iterator[LogPlace]:
    end = asked.app.clock.monotonic() + LONGEST
    for place in places:
        if asked.app.clock.monotonic() >= end:
            progress.stopped = True
            return
        yield place


def _line(hit: Hit) -> FoundLine:
    place = hit.place
    return FoundLine(
        run=place.run,
        number=place.number,
        stage=place.stage,
        attempt=place.attempt,
        service=place.service,
        line=hit.line,
        text=hit.text[:WIDEST].decode("utf-8", "replace"),
        matched=hit.matched,
    )
