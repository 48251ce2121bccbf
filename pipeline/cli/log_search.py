"""`ecluse logs --grep`: the lines of one run or of many that match, each with its run, stage and number."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.cli.options import output
from pipeline.cli.render.clean import bare, for_file
from pipeline.cli.render.lines import coloured, line, plain
from pipeline.cli.render.words import count
from pipeline.model.history import LogPlace
from pipeline.operations.log_search import Expression, Hit, places_in, places_of, search

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.remote.here import Here

WIDEST = 2000
"""Bytes of a line that are printed: a bundle of JavaScript in a log is one line of a megabyte."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Where to look: in one run (`reference`), or in the newest `runs`."""

    reference: str | None
    stage: str | None
    asked: Here
    everywhere: bool
    runs: int
    branch: str
    failed: bool
    attempt: int
    service: str


def find(scope: Scope, pattern: str, *, context: int, most: int) -> None:
    """Print what matches, and say so where nothing does."""
    expression = Expression(pattern)
    places = _places(scope)
    missing: list[LogPlace] = []
    found = _print(
        search(scope.asked.app.storage, places, expression, context=context, most=most, missing=missing.append),
        named=len({place.run for place in places}) > 1 or scope.reference is None,
        context=bool(context),
    )
    if found >= most:
        sys.stderr.write(f"stopped after {most} matches; --most prints more\n")
    if not found:
        sys.stderr.write(f"nothing matches in {_count(places)}\n")
    if missing:
        sys.stderr.write(f"{_count(missing)} not searched: the storage does not have them whole\n")


def _places(scope: Scope) -> Sequence[LogPlace]:
    from pipeline.operations.logs import cells_of, check_attempt

    here = scope.asked
    records, place = here.app.records, here.place(everywhere=scope.everywhere)
    if scope.reference is not None:
        run = records.find_run(scope.reference, repository=place)
        stages = cells_of(run, scope.stage)
        if scope.attempt:
            check_attempt(run, stages, scope.attempt)
        return places_in(run, stages, attempt=scope.attempt, service=scope.service)
    found = places_of(
        records, repository=place, branch=scope.branch, failed=scope.failed, runs=scope.runs, stage=scope.stage or ""
    )
    return [
        item
        for item in found
        if scope.attempt in (0, item.attempt) and (not scope.service or item.service == scope.service)
    ]


def _print(hits: Iterable[Hit], *, named: bool, context: bool) -> int:
    """Lines as grep prints them: `:` behind the number of a match, `-` behind that of a neighbour."""
    terminal = output()
    out = sys.stdout.buffer
    before: tuple[str, str, int, str, int] | None = None
    matched = 0
    for hit in hits:
        place = hit.place
        here = (place.run, place.stage, place.attempt, place.service, hit.line)
        if context and before is not None and here != (*before[:4], before[4] + 1):
            out.write(b"--\n")
        before = here
        matched += hit.matched
        mark = ":" if hit.matched else "-"
        where = f"{place.stage}.{place.attempt}" if place.attempt > 1 else place.stage
        where += f"/{place.service}" if place.service else ""
        head = line(
            *((f"#{place.number} ", "dim") for _ in range(named)), (where, "accent"), f"{mark}{hit.line}{mark} "
        )
        text = hit.text[:WIDEST] + ("…".encode() if len(hit.text) > WIDEST else b"")
        shown = bare(text.decode("utf-8", "replace")).encode() if terminal.interactive else for_file(text)
        out.write((coloured(head) if terminal.colour else plain(head)).encode() + shown.replace(b"\n", b" ") + b"\n")
    out.flush()
    return matched


def _count(places: Sequence[LogPlace]) -> str:
    runs = len({place.run for place in places})
    logs = count(len(places), "log")
    return f"{logs} of {runs} runs" if runs != 1 else f"{logs} of run {places[0].number}"
