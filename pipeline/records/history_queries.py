"""Every question about many runs at once, named, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pipeline.model.report import WRONG, TestStatus
from pipeline.model.status import Conclusion, RunState
from pipeline.records import tables as t


def latest_done(repository: str, branch: str, limit: int) -> sa.Select[Any]:
    """Ids of the newest finished runs."""
    wanted = sa.select(t.runs.c.id).where(t.runs.c.state == RunState.DONE)
    if repository:
        wanted = wanted.where(t.runs.c.repository == repository)
    if branch:
        wanted = wanted.where(t.runs.c.branch == branch)
    return wanted.order_by(t.runs.c.created.desc(), t.runs.c.id.desc()).limit(limit)


def measured_runs(runs: Sequence[str]) -> sa.Select[Any]:
    """The runs themselves, newest first."""
    return sa.select(t.runs).where(t.runs.c.id.in_(runs)).order_by(t.runs.c.created.desc(), t.runs.c.id.desc())


def reports_of(runs: Sequence[str], stage: str) -> sa.Select[Any]:
    """Reports of stages that ran themselves, attempt by attempt."""
    return _of_stage(
        sa.select(t.reports)
        .join(t.stage_runs, _same_stage(t.reports))
        .where(t.reports.c.run.in_(runs), t.stage_runs.c.reused == "")
        .order_by(t.reports.c.attempt),
        stage,
    )


def test_seconds_of(runs: Sequence[str], stage: str) -> sa.Select[Any]:
    """(run, stage, attempt, seconds) of all tests together."""
    key = (t.test_cases.c.run, t.test_cases.c.stage, t.test_cases.c.attempt)
    return _of_stage(
        sa.select(*key, sa.func.sum(t.test_cases.c.seconds).label("seconds"))
        .join(t.stage_runs, _same_stage(t.test_cases))
        .where(t.test_cases.c.run.in_(runs), t.stage_runs.c.reused == "")
        .group_by(*key)
        .order_by(t.test_cases.c.attempt),
        stage,
    )


def slowest_tests(runs: Sequence[str], stage: str, limit: int) -> sa.Select[Any]:
    """Tests that passed, by their mean seconds."""
    cases = t.test_cases
    written = _written()
    mean = sa.func.avg(cases.c.seconds)
    return _of_stage(
        sa.select(
            written.label("stage"),
            cases.c.classname,
            cases.c.name,
            sa.func.max(cases.c.file).label("file"),
            mean.label("mean"),
            sa.func.max(cases.c.seconds).label("longest"),
            sa.func.count().label("times"),
        )
        .join(t.stage_runs, _same_stage(cases))
        .where(cases.c.run.in_(runs), cases.c.status == TestStatus.PASSED, t.stage_runs.c.reused == "")
        .group_by(written, cases.c.classname, cases.c.name)
        .order_by(mean.desc(), cases.c.classname, cases.c.name)
        .limit(limit),
        stage,
    )


def results_of(runs: Sequence[str], stage: str, *, wrong: bool, names: Sequence[str]) -> sa.Select[Any]:
    """Results of tests, newest run first: those that went wrong, or all of the named tests."""
    cases = t.test_cases
    wanted = (
        sa.select(
            cases.c.run,
            t.runs.c.number,
            t.runs.c.branch,
            t.runs.c.tree,
            t.runs.c.created,
            _written().label("stage"),
            cases.c.stage.label("cell"),
            cases.c.attempt,
            cases.c.classname,
            cases.c.name,
            cases.c.file,
            cases.c.status,
            cases.c.message,
            cases.c.quarantined,
        )
        .join(t.runs, t.runs.c.id == cases.c.run)
        .join(t.stage_runs, _same_stage(cases))
        .where(cases.c.run.in_(runs), t.stage_runs.c.reused == "")
        .order_by(t.runs.c.created.desc(), cases.c.run, cases.c.stage, cases.c.attempt, cases.c.position)
    )
    if wrong:  # literals, so that the database sees that the partial index serves
        words = ", ".join(f"'{status.value}'" for status in WRONG)
        wanted = wanted.where(sa.text(f"test_cases.status IN ({words})"))
    if names:
        wanted = wanted.where(cases.c.name.in_(names))
    return _of_stage(wanted, stage)


def runs_with_tests(repository: str, stage: str, limit: int) -> sa.Select[Any]:
    """Ids of the newest runs in which this stage left a test report of its own making."""
    reported = (
        sa.select(sa.literal(1))
        .select_from(t.reports.join(t.stage_runs, _same_stage(t.reports)))
        .where(t.reports.c.run == t.runs.c.id, t.reports.c.type == "tests", t.stage_runs.c.reused == "")
    )
    return (
        sa.select(t.runs.c.id)
        .where(t.runs.c.repository == repository, _of_stage(reported, stage).exists())
        .order_by(t.runs.c.created.desc())
        .limit(limit)
    )


def file_times(runs: Sequence[str], stage: str) -> sa.Select[Any]:
    """Seconds by file and class of each attempt."""
    cases = t.test_cases
    key = (cases.c.run, cases.c.stage, cases.c.attempt, cases.c.file, cases.c.classname)
    return _of_stage(
        sa.select(*key, sa.func.sum(cases.c.seconds).label("seconds"))
        .join(t.stage_runs, _same_stage(cases))
        .where(cases.c.run.in_(runs), t.stage_runs.c.reused == "")
        .group_by(*key),
        stage,
    )


def runs_with_logs(repository: str, branch: str, conclusions: Sequence[Conclusion], runs: int) -> sa.Select[Any]:
    """(id, number, repository, branch) of the newest runs."""
    chosen = sa.select(t.runs.c.id, t.runs.c.number, t.runs.c.repository, t.runs.c.branch)
    if repository:
        chosen = chosen.where(t.runs.c.repository == repository)
    if branch:
        chosen = chosen.where(t.runs.c.branch == branch)
    if conclusions:
        chosen = chosen.where(t.runs.c.conclusion.in_(conclusions))
    return chosen.order_by(t.runs.c.created.desc(), t.runs.c.id.desc()).limit(runs)


def logs_of(runs: Sequence[str]) -> sa.Select[Any]:
    """(run, stage, attempt, log, service logs as text) of all attempts, in the order of the plan within each run."""
    same = sa.and_(t.attempts.c.run == t.stage_runs.c.run, t.attempts.c.stage == t.stage_runs.c.name)
    services = sa.type_coerce(t.attempts.c.service_logs, sa.Text)
    return (
        sa.select(t.attempts.c.run, t.attempts.c.stage, t.attempts.c.number, t.attempts.c.log, services)
        .join(t.stage_runs, same)
        .where(t.attempts.c.run.in_(runs))
        .order_by(t.attempts.c.run, t.stage_runs.c.position, t.attempts.c.number)
    )


# Housekeeping --------------------------------------------------------------------------------------------------------


def outlines() -> sa.Select[Any]:
    """All runs without their stages, newest first."""
    chosen = (t.runs.c.id, t.runs.c.number, t.runs.c.repository, t.runs.c.state, t.runs.c.created, t.runs.c.finished)
    return sa.select(*chosen).order_by(t.runs.c.created.desc(), t.runs.c.id.desc())


def logs_by_run() -> sa.Select[Any]:
    """(run, digest) of logs."""
    return sa.select(t.attempts.c.run, t.attempts.c.log).where(t.attempts.c.log != "")


def artifacts_by_run() -> sa.Select[Any]:
    """(run, digest, how long it is kept, when its run ended) of artifacts that have their content."""
    return (
        sa.select(t.artifacts.c.run, t.artifacts.c.digest, t.artifacts.c.keep, t.runs.c.finished)
        .join(t.runs, t.runs.c.id == t.artifacts.c.run)
        .where(t.artifacts.c.digest != "")
    )


def service_logs() -> sa.Select[Any]:
    """(run, service logs) of attempts that have some."""
    return sa.select(t.attempts.c.run, t.attempts.c.service_logs).where(
        sa.cast(t.attempts.c.service_logs, sa.Text) != sa.literal("{}", sa.Text)
    )


def forget_runs(runs: Sequence[str]) -> sa.Delete:
    """Remove finished runs; their stages and all that these left go with them, releases and the ledger do not."""
    return t.runs.delete().where(t.runs.c.id.in_(runs), t.runs.c.state == RunState.DONE)


def timed_artifacts() -> sa.Select[Any]:
    """Artifacts of finished runs that have a time of their own and their content still."""
    kept = t.artifacts
    return (
        sa.select(kept, t.runs.c.finished)
        .join(t.runs, t.runs.c.id == kept.c.run)
        .where(kept.c.keep.is_not(None), kept.c.digest != "", t.runs.c.state == RunState.DONE)
        .where(t.runs.c.finished.is_not(None))
    )


def empty_artifact(row: Any) -> sa.Update:
    """Leave an artifact's name without its content."""
    kept = t.artifacts.c
    same = (kept.run == row.run, kept.stage == row.stage, kept.attempt == row.attempt, kept.position == row.position)
    return t.artifacts.update().where(*same).values(digest="")


def _same_stage(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(t.stage_runs.c.run == table.c.run, t.stage_runs.c.name == table.c.stage)


def _written() -> sa.ColumnElement[str]:
    """The stage as written in the file; without parameters, so that PostgreSQL sees it as the same in GROUP BY."""
    return sa.func.coalesce(sa.func.nullif(t.stage_runs.c.group, sa.literal_column("''")), t.stage_runs.c.name)


def _of_stage(query: sa.Select[Any], stage: str) -> sa.Select[Any]:
    """Narrowed to a stage: one of its cells, or all of them."""
    if not stage:
        return query
    return query.where(sa.or_(t.stage_runs.c.name == stage, t.stage_runs.c.group == stage))
