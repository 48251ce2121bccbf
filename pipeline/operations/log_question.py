"""A search in logs as somebody asks for it: which logs, for what; and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.model.history import LogPlace
from pipeline.operations.log_search import Hit, places_in, places_of
from pipeline.operations.logs import cells_of, check_attempt
from pipeline.ports.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class LogQuestion:
    """Where to look: in one run (`reference`), or in the newest `runs`; and how much to tell."""

    pattern: str
    reference: str = ""
    stage: str = ""
    attempt: int = 0
    """0 = all."""
    service: str = ""
    branch: str = ""
    failed: bool = False
    """Only runs that went wrong."""
    runs: int = 100
    context: int = 0
    """Lines around each match."""
    most: int = 1000
    """Matches after which it ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogCount:
    """So many logs, of so many runs; `number` is that of the run where it is one."""

    logs: int
    runs: int
    number: int | None = None


@dataclass(kw_only=True, slots=True)
class LogAnswer:
    """Lines as they are found; what is counted is known when they have been read."""

    hits: Iterable[Hit]
    looked: Callable[[], LogCount]
    missing: Callable[[], LogCount]
    """What the storage does not have whole any more."""
    stopped: Callable[[], bool]
    """Whether it ended early, though there were fewer matches than were asked for."""


def places_for(records: Records, repository: str, question: LogQuestion) -> Sequence[LogPlace]:
    """The logs that are meant. NotFoundError for a run or a stage that there is not."""
    if question.reference:
        run = records.find_run(question.reference, repository=repository)
        stages = cells_of(run, question.stage or None)
        if question.attempt:
            check_attempt(run, stages, question.attempt)
        return places_in(run, stages, attempt=question.attempt, service=question.service)
    found = places_of(
        records,
        repository=repository,
        branch=question.branch,
        failed=question.failed,
        runs=question.runs,
        stage=question.stage,
    )
    return [
        item
        for item in found
        if question.attempt in (0, item.attempt) and (not question.service or item.service == question.service)
    ]


def count_of(places: Sequence[LogPlace]) -> LogCount:
    """How many they are."""
    runs = {place.run for place in places}
    return LogCount(logs=len(places), runs=len(runs), number=places[0].number if len(runs) == 1 else None)
