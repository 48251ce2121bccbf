"""Searching logs that a server has: it looks, and tells what it found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.errors import UsageError
from pipeline.model.history import LogPlace
from pipeline.operations.log_question import LogAnswer, LogCount, LogQuestion
from pipeline.operations.log_search import Expression, Hit
from pipeline.remote.there.asked import AskedThere

RUNS, MOST = 1000, 5000
"""Runs that a server looks through, and matches that it tells, in one answer."""


def search_there(asked: AskedThere, question: LogQuestion, *, everywhere: bool) -> LogAnswer:
    """Repository by repository, as the server answers."""
    Expression(question.pattern)  # what is wrong with it is said here, in the same words
    if question.runs > RUNS:
        raise UsageError(f"a server looks through {RUNS} runs at most", hint=f"--runs {RUNS}, or fewer")
    names = asked.names() if everywhere and not question.reference else (asked.name,)
    found: list[dict[str, Any]] = []
    return LogAnswer(
        hits=_hits(asked, question, names, found),
        looked=lambda: _sum([item["looked"] for item in found]),
        missing=lambda: _sum([item["missing"] for item in found]),
        stopped=lambda: any(not item["whole"] for item in found),
    )


def _hits(asked: AskedThere, question: LogQuestion, names: Sequence[str], found: list[dict[str, Any]]) -> Iterator[Hit]:
    left = question.most
    for name in names:
        if left <= 0:
            return
        answer = asked.connection.get(asked.of(name, "log-search"), _query(question, left))
        matched = sum(item["matched"] for item in answer["lines"])
        found.append({**answer, "whole": answer["whole"] and not (matched >= MOST and left > MOST)})
        for item in answer["lines"]:
            place = LogPlace(
                run=item["run"],
                number=item["number"],
                repository=name,
                branch="",
                stage=item["stage"],
                attempt=item["attempt"],
                digest="",
                service=item["service"],
            )
            text = item["text"].encode("utf-8", "replace")
            yield Hit(place=place, line=item["line"], text=text, matched=item["matched"])
            left -= item["matched"]


def _query(question: LogQuestion, most: int) -> dict[str, Any]:
    return {
        "pattern": question.pattern,
        "run": question.reference or None,
        "stage": question.stage or None,
        "attempt": question.attempt or None,
        "service": question.service or None,
        "branch": question.branch or None,
        "failed": question.failed or None,
        "runs": question.runs,
        "context": question.context,
        "most": min(most, MOST),
    }


def _sum(counts: Sequence[dict[str, Any]]) -> LogCount:
    runs = sum(item["runs"] for item in counts)
    number = next((item["number"] for item in counts if item["runs"]), None) if runs == 1 else None
    return LogCount(logs=sum(item["logs"] for item in counts), runs=runs, number=number)
