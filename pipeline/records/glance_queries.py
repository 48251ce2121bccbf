"""What pages ask, named, in one place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.model.status import WENT_WRONG, Conclusion, RunState
from pipeline.records import server_tables as s
from pipeline.records import tables as t

USUAL_BRANCH = "main"


def newest_runs(*, on_default_branch: bool) -> sa.Select[Any]:
    """One run of each repository: a step into an index for each, whatever number of runs there is."""
    run = t.runs.alias("newest")
    wanted = sa.select(run.c.id).where(run.c.repository == t.counters.c.repository)
    source: sa.FromClause = t.counters
    if on_default_branch:
        known = s.repositories
        source = source.outerjoin(known, known.c.url == t.counters.c.repository)
        wanted = wanted.where(run.c.branch == sa.func.coalesce(known.c.default_branch, USUAL_BRANCH))
    newest = (
        wanted.order_by(run.c.created.desc(), run.c.id.desc())
        .limit(1)
        .correlate(t.counters, s.repositories)
        .scalar_subquery()
    )
    return sa.select(t.runs).select_from(source.join(t.runs, t.runs.c.id == newest)).order_by(t.runs.c.created.desc())


def glance(
    repository: str,
    branch: str,
    state: RunState | None,
    conclusions: Collection[Conclusion],
    before: datetime | None,
    limit: int,
) -> sa.Select[Any]:
    """Runs that match, newest first."""
    runs = t.runs.c
    wanted = sa.select(t.runs)
    for column, value in ((runs.repository, repository), (runs.branch, branch)):
        if value:
            wanted = wanted.where(column == value)
    if state is not None:
        wanted = wanted.where(runs.state == state)
    if conclusions:
        wanted = wanted.where(runs.conclusion.in_(tuple(conclusions)))
    if before is not None:
        wanted = wanted.where(runs.created < before)
    return wanted.order_by(runs.created.desc(), runs.id.desc()).limit(limit)


def wrong_stages(runs: Sequence[str]) -> sa.Select[Any]:
    """(run, name) in the order of the plan."""
    stage = t.stage_runs.c
    return (
        sa.select(stage.run, stage.name)
        .where(stage.run.in_(runs), stage.conclusion.in_(tuple(WENT_WRONG)))
        .order_by(stage.run, stage.position)
    )


def pulse_of(run: str) -> sa.Select[Any]:
    """The run alone."""
    return sa.select(t.runs.c.id, t.runs.c.state, t.runs.c.conclusion).where(t.runs.c.id == run)


def stages_of(run: str) -> sa.Select[Any]:
    """Where its stages stand, with how often each was tried."""
    stage = t.stage_runs.c
    tried = (
        sa.select(sa.func.count())
        .where(t.attempts.c.run == stage.run, t.attempts.c.stage == stage.name)
        .correlate(t.stage_runs)
        .scalar_subquery()
    )
    columns = (stage.name, stage.state, stage.conclusion, stage.started, stage.finished, stage.parked)
    return sa.select(*columns, tried.label("attempts")).where(stage.run == run).order_by(stage.position)
