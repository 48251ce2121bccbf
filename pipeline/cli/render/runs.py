"""Runs as a table, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import ago, duration, run_look, shape, spoken
from pipeline.model.run import Run


def run_lines(runs: Sequence[Run], *, now: datetime, width: int, repositories: bool) -> list[Line]:
    """A line a run: shape, number, how it ended, when, how long, where, what; with its repository if asked for."""
    if not runs:
        return [line("no runs yet; start one: ", ("ecluse run", "accent"))]
    rows: list[list[str | Piece]] = []
    for run in runs:
        look = run_look(run.state, run.conclusion)
        seconds = ((run.finished or now) - run.created).total_seconds()
        first = run.message.strip().splitlines()[0] if run.message.strip() else ""
        rows.append(
            [
                shape(look),
                (f"#{run.number}", "bold"),
                (spoken(run.conclusion.value if run.conclusion else run.state.value), look),
                (ago(run.created, now), ""),
                (duration(seconds), "dim"),
                one_line(run.tag or run.branch or run.event),
                (run.commit[:12] + ("+" if run.dirty else ""), "dim"),
                *([(one_line(run.repository), "dim")] if repositories else []),
                one_line(first),
            ]
        )
    return [fitted(entry, width) for entry in columns(rows, right=frozenset({1, 4}))]
