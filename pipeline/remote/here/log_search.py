"""Searching logs that this machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.operations.log_question import LogAnswer, LogQuestion, count_of, places_for
from pipeline.operations.log_search import Expression, search
from pipeline.ports.application import Application

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.history import LogPlace


def search_here(app: Application, repository: str, question: LogQuestion) -> LogAnswer:
    """Log by log, as they are read; `repository` is "" for all of them."""
    expression = Expression(question.pattern)
    places = places_for(app.records, repository, question)
    missing: list[LogPlace] = []
    hits = search(app.storage, places, expression, context=question.context, most=question.most, missing=missing.append)
    return LogAnswer(
        hits=hits, looked=lambda: count_of(places), missing=lambda: count_of(missing), stopped=lambda: False
    )
