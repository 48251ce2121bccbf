"""`ecluse logs --grep`: the lines of one run or of many that match, each with its run, stage and number."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.cli.options import output
from pipeline.cli.render.clean import bare, for_file
from pipeline.cli.render.lines import coloured, line, plain
from pipeline.cli.render.words import count
from pipeline.operations.log_question import LogAnswer, LogCount, LogQuestion
from pipeline.operations.log_search import WIDEST, Hit

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


def find(asked: Asked, question: LogQuestion, *, everywhere: bool) -> None:
    """Print what matches, and say so where nothing does."""
    answer = _answer(asked, question, everywhere=everywhere)
    found = _print(answer.hits, named=not question.reference, context=bool(question.context))
    looked, missing = answer.looked(), answer.missing()
    if found >= question.most:
        sys.stderr.write(f"stopped after {question.most} matches; --most prints more\n")
    elif answer.stopped():
        sys.stderr.write("the server stopped before its last log: look through fewer runs, or one stage\n")
    if not found:
        sys.stderr.write(f"nothing matches in {_count(looked)}\n")
    if missing.logs:
        sys.stderr.write(f"{_count(missing)} not searched: the storage does not have them whole\n")


def _answer(asked: Asked, question: LogQuestion, *, everywhere: bool) -> LogAnswer:
    from pipeline.remote.here import Here

    if isinstance(asked, Here):
        from pipeline.remote.here.log_search import search_here

        return search_here(asked.app, asked.place(everywhere=everywhere), question)
    from pipeline.remote.there.log_search import search_there

    return search_there(asked, question, everywhere=everywhere)


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


def _count(found: LogCount) -> str:
    logs = count(found.logs, "log")
    return f"{logs} of run {found.number}" if found.runs == 1 else f"{logs} of {found.runs} runs"
