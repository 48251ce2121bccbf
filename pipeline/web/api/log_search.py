"""Searching the logs of a run, or of a repository's newest ones: within bounds of lines, bytes and time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from pipeline.model.account import Role
from pipeline.model.history import LogPlace
from pipeline.operations.log_question import LogCount, LogQuestion, count_of, places_for
from pipeline.operations.log_search import WIDEST, Expression, Hit, search
from pipeline.web.access.asking import need
from pipeline.web.api.asked import Asked, InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import shape_of

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}", tags=["runs"], responses=PROBLEMS)

LARGEST = 8 * 1024**2
"""Bytes of lines of one answer."""
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
    """Without time and colours, about 2000 bytes of it; bytes that are no UTF-8 are replaced."""
    matched: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search came to. `whole` is false where it ended before its last log for another reason than `most`."""

    lines: tuple[FoundLine, ...]
    looked: LogCount
    missing: LogCount
    """What the storage does not have whole any more."""
    whole: bool


@dataclass(slots=True)
class _Bounds:
    """How far a search got within its bounds."""

    asked: Asked
    end: float
    missing: list[LogPlace] = field(default_factory=list)
    stopped: bool = False

    def places(self, places: Iterable[LogPlace]) -> Iterator[LogPlace]:
        """Those that are begun in time."""
        for place in places:
            if self.stopped or self.asked.app.clock.monotonic() >= self.end:
                self.stopped = True
                return
            yield place

    def lines(self, hits: Iterable[Hit]) -> Iterator[FoundLine]:
        """Those that have room."""
        size = 0
        for hit in hits:
            size += min(len(hit.text), WIDEST) + 200
            if size > LARGEST:
                self.stopped = True
                return
            yield _line(hit)


@router.get("/log-search", response_model=shape_of(Found), dependencies=[Depends(need(Role.VIEWER))])
def search_logs(
    asked: InRepository,
    pattern: Annotated[str, Query(min_length=1, max_length=1000, description="a regular expression of RE2")],
    run: Annotated[str, Query(max_length=26, description="only this one: its number, id or `last`")] = "",
    stage: Annotated[str, Query(max_length=300, description="only this one, with all its cells")] = "",
    attempt: Annotated[int, Query(ge=0, le=1000, description="0 = all")] = 0,
    service: Annotated[str, Query(max_length=300)] = "",
    branch: Annotated[str, Query(max_length=250)] = "",
    failed: Annotated[bool, Query(description="only runs that went wrong")] = False,
    runs: Annotated[int, Query(ge=1, le=1000, description="the newest so many")] = 20,
    context: Annotated[int, Query(ge=0, le=100, description="lines around each match")] = 0,
    most: Annotated[int, Query(ge=1, le=5000, description="matches after which it ends")] = 200,
) -> Response:
    """Lines that match, log by log, the newest run first."""
    question = LogQuestion(
        pattern=pattern,
        reference=run,
        stage=stage,
        attempt=attempt,
        service=service,
        branch=branch,
        failed=failed,
        runs=runs,
        context=context,
        most=most,
    )
    expression = Expression(pattern)
    places = places_for(asked.app.records, asked.url, question)
    bounds = _Bounds(asked, asked.app.clock.monotonic() + LONGEST)
    hits = search(
        asked.app.storage,
        bounds.places(places),
        expression,
        context=context,
        most=most,
        missing=bounds.missing.append,
    )
    lines = tuple(bounds.lines(hits))
    found = Found(lines=lines, looked=count_of(places), missing=count_of(bounds.missing), whole=not bounds.stopped)
    return asked.answer(found)


def _line(hit: Hit) -> FoundLine:
    place = hit.place
    return FoundLine(
        run=place.run,
        number=place.number,
        stage=place.stage,
        attempt=place.attempt,
        service=place.service,
        line=hit.line,
        text=hit.text.decode("utf-8", "replace"),
        matched=hit.matched,
    )
