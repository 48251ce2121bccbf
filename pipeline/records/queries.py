"""Every question and order to the database, named, in one place. Values arrive as bind parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pipeline.model.run import Run, Runner
from pipeline.model.status import Conclusion, RunState
from pipeline.model.trust import Trust
from pipeline.ports.records import RunFilter
from pipeline.records import tables as t
from pipeline.records.spool import storable


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT; both databases spell it alike, SQLAlchemy does not.

    Only the dialect that is used is imported: the other one costs 60 ms.
    """
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


# Runs ----------------------------------------------------------------------------------------------------------------


def next_number(connection: sa.Connection, repository: str) -> int:
    """Count up the repository's counter; the row stays locked until commit, so numbers have no gap and no double."""
    row = insert(connection, t.counters).values(repository=storable(repository), last=1)
    counted = row.on_conflict_do_update(index_elements=[t.counters.c.repository], set_={"last": t.counters.c.last + 1})
    return int(connection.execute(counted.returning(t.counters.c.last)).scalar_one())


def move_run(run: str, changed: dict[str, Any]) -> sa.Update:
    """Change a run that is not done."""
    return t.runs.update().where(t.runs.c.id == run, t.runs.c.state != RunState.DONE).values(**changed)


def reopen_run(run: str, runner: Runner, seen: Run) -> sa.Update:
    """Give a run to a runner if it still stands as it was seen."""
    same = (t.runs.c.id == run, t.runs.c.state == seen.state)
    mine = t.runs.c.runner.is_(None) if seen.runner is None else t.runs.c.runner == seen.runner
    values = {"state": RunState.RUNNING, "conclusion": None, "finished": None, "runner": runner}
    return t.runs.update().where(*same, mine).values(**values)


def run_by_id(run: str) -> sa.Select[Any]:
    """One run."""
    return sa.select(t.runs).where(t.runs.c.id == run)


def runs_by_prefix(prefix: str, repository: str) -> sa.Select[Any]:
    """Runs whose id starts so, two at most: enough to see that it is not the only one. Ids are letters and digits."""
    near = t.runs.c.id.between(prefix, prefix + "z" * 26)  # LIKE alone has no use for the index, in either database
    wanted = sa.select(t.runs).where(near, t.runs.c.id.startswith(prefix, autoescape=True))
    return _of_repository(wanted, repository).limit(2)


def runs_by_number(number: int, repository: str) -> sa.Select[Any]:
    """Runs of this number: one in a repository, perhaps several in all, of which two are enough to know."""
    return _of_repository(sa.select(t.runs).where(t.runs.c.number == number), repository).limit(2)


def latest_runs(chosen: RunFilter) -> sa.Select[Any]:
    """Runs that match the filter, newest first."""
    wanted = _of_repository(sa.select(t.runs), chosen.repository)
    if chosen.branch:
        wanted = wanted.where(t.runs.c.branch == chosen.branch)
    if chosen.state is not None:
        wanted = wanted.where(t.runs.c.state == chosen.state)
    if chosen.conclusion is not None:
        wanted = wanted.where(t.runs.c.conclusion == chosen.conclusion)
    if chosen.before:
        shown = sa.select(t.runs.c.created).where(t.runs.c.id == chosen.before).scalar_subquery()
        same = sa.and_(t.runs.c.created == shown, t.runs.c.id < chosen.before)
        wanted = wanted.where(sa.or_(t.runs.c.created < shown, same))
    return wanted.order_by(t.runs.c.created.desc(), t.runs.c.id.desc()).limit(chosen.limit)


def _of_repository(query: sa.Select[Any], repository: str) -> sa.Select[Any]:
    return query.where(t.runs.c.repository == repository) if repository else query


def plan_of(run: str) -> sa.Select[Any]:
    """The stored plan."""
    return sa.select(t.plans.c.body).where(t.plans.c.run == run)


# Stages and what they left -------------------------------------------------------------------------------------------


def stages_of(runs: Sequence[str]) -> sa.Select[Any]:
    """Stage runs in the order of their plan."""
    return (
        sa.select(t.stage_runs)
        .where(t.stage_runs.c.run.in_(runs))
        .order_by(t.stage_runs.c.run, t.stage_runs.c.position)
    )


def attempts_of(runs: Sequence[str]) -> sa.Select[Any]:
    """Attempts in order."""
    return sa.select(t.attempts).where(t.attempts.c.run.in_(runs)).order_by(t.attempts.c.number)


def left_by(run: str, table: sa.Table) -> sa.Select[Any]:
    """Rows that a run's attempts left in one of the tables, in their order."""
    return sa.select(table).where(table.c.run == run).order_by(table.c.stage, table.c.attempt, table.c.position)


def next_position(run: str) -> sa.Select[Any]:
    """The place behind the last stage; no row where there is no such run."""
    count = sa.select(sa.func.count()).select_from(t.stage_runs).where(t.stage_runs.c.run == run)
    return sa.select(count.scalar_subquery()).select_from(t.runs).where(t.runs.c.id == run)


def change_stage(run: str, stage: str, values: Mapping[str, Any]) -> sa.Update:
    """Write to the row of a stage."""
    return t.stage_runs.update().where(t.stage_runs.c.run == run, t.stage_runs.c.name == stage).values(**values)


def attempts_known(run: str, stage: str) -> sa.Select[Any]:
    """(number, finished, conclusion) of the attempts of a stage."""
    c = t.attempts.c
    return sa.select(c.number, c.finished, c.conclusion).where(c.run == run, c.stage == stage)


def change_attempt(run: str, stage: str, number: int, values: Mapping[str, Any]) -> sa.Update:
    """Write to the row of an attempt."""
    c = t.attempts.c
    return t.attempts.update().where(c.run == run, c.stage == stage, c.number == number).values(**values)


def forget_attempts(run: str, stage: str, numbers: Sequence[int]) -> sa.Delete:
    """Remove attempts; what they left goes with them."""
    c = t.attempts.c
    return t.attempts.delete().where(c.run == run, c.stage == stage, c.number.in_(numbers))


def succeeded_times(repository: str, per_stage: int) -> sa.Select[Any]:
    """(name, started, finished) of the latest succeeded runs of each stage, among the latest runs.

    Only the last 10 × `per_stage` run numbers are looked at, so that a long history costs nothing.
    """
    last = sa.select(sa.func.max(t.runs.c.number)).where(t.runs.c.repository == repository).scalar_subquery()
    place = sa.func.row_number().over(partition_by=t.stage_runs.c.name, order_by=t.runs.c.number.desc())
    ranked = (
        sa.select(t.stage_runs.c.name, t.stage_runs.c.started, t.stage_runs.c.finished, place.label("place"))
        .join(t.runs, t.runs.c.id == t.stage_runs.c.run)
        .where(
            t.runs.c.repository == repository,
            t.runs.c.number > last - 10 * per_stage,
            t.stage_runs.c.conclusion == Conclusion.SUCCEEDED,
            t.stage_runs.c.reused == "",
            t.stage_runs.c.started.is_not(None),
            t.stage_runs.c.finished.is_not(None),
        )
        .subquery()
    )
    return sa.select(ranked.c.name, ranked.c.started, ranked.c.finished).where(ranked.c.place <= per_stage)


def last_successes(repository: str, branch: str, trust: Sequence[Trust], runs: int) -> sa.Select[Any]:
    """(name, commit) of every stage that was wanted on a branch; the commit is null where it never succeeded.

    Only the last `runs` numbers of the repository are looked at, so that a long history costs nothing.
    """
    last = sa.select(sa.func.max(t.runs.c.number)).where(t.runs.c.repository == repository).scalar_subquery()
    good = sa.case((t.stage_runs.c.conclusion == Conclusion.SUCCEEDED, t.runs.c.number))
    found = (
        sa.select(t.stage_runs.c.name, sa.func.max(good).label("number"))
        .join(t.runs, t.runs.c.id == t.stage_runs.c.run)
        .where(
            t.runs.c.repository == repository,
            t.runs.c.number > last - runs,
            t.runs.c.branch == branch,
            t.runs.c.dirty.is_(False),
            t.runs.c.trust.in_(trust),
            t.stage_runs.c.conclusion.is_not(None),
            t.stage_runs.c.conclusion != Conclusion.SKIPPED,
        )
        .group_by(t.stage_runs.c.name)
        .subquery()
    )
    at = sa.and_(t.runs.c.repository == repository, t.runs.c.number == found.c.number)
    return sa.select(found.c.name, t.runs.c.commit).select_from(found.outerjoin(t.runs, at))


# Releases, promotions -------------------------------------------------------------------------------------------------


def release_by_id(release: str) -> sa.Select[Any]:
    """One release."""
    return sa.select(t.releases).where(t.releases.c.id == release)


def release_by_name(name: str) -> sa.Select[Any]:
    """The newest release of that name."""
    newest = t.releases.c.created.desc()
    return sa.select(t.releases).where(t.releases.c.name == name).order_by(newest, t.releases.c.id).limit(1)


def releases_by_prefix(prefix: str) -> sa.Select[Any]:
    """Releases whose id starts so, two at most."""
    return sa.select(t.releases).where(t.releases.c.id.startswith(prefix, autoescape=True)).limit(2)


def latest_releases(repository: str, limit: int, before: str = "") -> sa.Select[Any]:
    """Newest first."""
    wanted = sa.select(t.releases)
    if repository:
        wanted = wanted.where(t.releases.c.repository == repository)
    if before:
        earlier = t.releases.alias()
        shown = sa.select(earlier.c.created).where(earlier.c.id == before).scalar_subquery()
        same = sa.and_(t.releases.c.created == shown, t.releases.c.id > before)
        wanted = wanted.where(sa.or_(t.releases.c.created < shown, same))
    return wanted.order_by(t.releases.c.created.desc(), t.releases.c.id).limit(limit)


def latest_promotions(repository: str, environment: str, release: str, limit: int, before: str = "") -> sa.Select[Any]:
    """Promotions that match, newest first; ids are ULIDs and settle equal times."""
    wanted = sa.select(t.promotions)
    if repository:
        wanted = wanted.join(t.releases).where(t.releases.c.repository == repository)
    if environment:
        wanted = wanted.where(t.promotions.c.environment == environment)
    if release:
        wanted = wanted.where(t.promotions.c.release == release)
    if before:
        earlier = t.promotions.alias()
        shown = sa.select(earlier.c.created).where(earlier.c.id == before).scalar_subquery()
        same = sa.and_(t.promotions.c.created == shown, t.promotions.c.id < before)
        wanted = wanted.where(sa.or_(t.promotions.c.created < shown, same))
    return wanted.order_by(t.promotions.c.created.desc(), t.promotions.c.id.desc()).limit(limit)
