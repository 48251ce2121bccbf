"""Many runs at once: trends, results of tests, where logs lie, and what housekeeping asks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.model.history import (
    ExpiredArtifact,
    FileTime,
    LogPlace,
    RunMeasure,
    RunOutline,
    TestResult,
    TestTime,
)
from pipeline.model.report import CoverageReport
from pipeline.model.status import Conclusion
from pipeline.records import history_queries as queries
from pipeline.records import tables as t
from pipeline.records.rows import noun

AT_ONCE = 500
"""Runs that one statement names: SQLite takes a bounded number of parameters."""


def run_measures(
    connection: sa.Connection, repository: str, branch: str, stage: str, runs: int
) -> Sequence[RunMeasure]:
    """Newest first."""
    ids = _ids(connection, queries.latest_done(repository, branch, runs))
    tests: dict[tuple[str, str], sa.Row[Any]] = {}
    covered: dict[tuple[str, str], sa.Row[Any]] = {}
    seconds: dict[tuple[str, str], float] = {}
    rows: list[sa.Row[Any]] = []
    for part in _parts(ids):
        for row in connection.execute(queries.reports_of(part, stage)):
            (covered if row.type == "coverage" else tests)[row.run, row.stage] = row
        for row in connection.execute(queries.test_seconds_of(part, stage)):
            seconds[row.run, row.stage] = float(row.seconds)
        rows += connection.execute(queries.measured_runs(part)).all()
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"passed": 0, "failed": 0, "skipped": 0})
    for (run, _), row in tests.items():
        counts[run]["passed"] += row.passed
        counts[run]["failed"] += row.failed + row.errored
        counts[run]["skipped"] += row.skipped
    sums: dict[str, float] = defaultdict(float)
    for (run, _), value in seconds.items():
        sums[run] += value
    lines: dict[str, CoverageReport] = {}
    for (run, _), row in covered.items():
        before = lines.get(run, CoverageReport(covered=0, total=0))
        lines[run] = CoverageReport(covered=before.covered + row.covered, total=before.total + row.total)
    return [
        RunMeasure(
            run=row.id,
            number=row.number,
            branch=row.branch,
            commit=row.commit,
            created=row.created,
            seconds=(row.finished - row.created).total_seconds() if row.finished else 0.0,
            conclusion=row.conclusion,
            test_seconds=sums[row.id],
            coverage=lines.get(row.id),
            **counts[row.id],
        )
        for row in rows
        if row.conclusion is not None
    ]


def slowest_tests(
    connection: sa.Connection, repository: str, branch: str, stage: str, runs: int, limit: int
) -> Sequence[TestTime]:
    """Slowest first."""
    ids = _ids(connection, queries.latest_done(repository, branch, min(runs, AT_ONCE)))
    if not ids:
        return ()
    return [noun(TestTime, row) for row in connection.execute(queries.slowest_tests(ids, stage, limit))]


def test_results(
    connection: sa.Connection,
    repository: str,
    branch: str,
    stage: str,
    runs: int,
    *,
    wrong: bool,
    names: Collection[str],
) -> Sequence[TestResult]:
    """Newest run first."""
    ids = _ids(connection, queries.latest_done(repository, branch, runs))
    return [
        noun(TestResult, row)
        for part in _parts(ids)
        for row in connection.execute(queries.results_of(part, stage, wrong=wrong, names=sorted(names)))
    ]


def file_times(connection: sa.Connection, repository: str, stage: str, runs: int) -> Sequence[FileTime]:
    """Of the newest runs in which the stage tested."""
    ids = _ids(connection, queries.runs_with_tests(repository, stage, runs))
    return [noun(FileTime, row) for part in _parts(ids) for row in connection.execute(queries.file_times(part, stage))]


def log_places(
    connection: sa.Connection, repository: str, branch: str, conclusions: Sequence[Conclusion], runs: int
) -> Sequence[LogPlace]:
    """Newest run first, each attempt's own log before those of its services."""
    wanted = connection.execute(queries.runs_with_logs(repository, branch, conclusions, runs)).all()
    found: dict[str, list[tuple[str, int, str, str]]] = {run: [] for run, *_ in wanted}
    for part in _parts(list(found)):
        for run, stage, attempt, log, services in connection.execute(queries.logs_of(part)):
            if log:
                found[run].append((stage, attempt, log, ""))
            if services != "{}":
                found[run] += [
                    (stage, attempt, digest, name) for name, digest in json.loads(services).items() if digest
                ]
    return [
        LogPlace(
            run=run,
            number=number,
            repository=of_repository,
            branch=of_branch,
            stage=stage,
            attempt=attempt,
            digest=digest,
            service=service,
        )
        for run, number, of_repository, of_branch in wanted
        for stage, attempt, digest, service in found[run]
    ]


def repositories(connection: sa.Connection) -> list[str]:
    """Every repository that has runs."""
    wanted = sa.select(t.runs.c.repository).distinct().order_by(t.runs.c.repository)
    return [str(name) for name in connection.execute(wanted).scalars()]


def outlines(connection: sa.Connection) -> Sequence[RunOutline]:
    """All runs, newest first."""
    return [
        RunOutline(
            run=row.id,
            number=row.number,
            repository=row.repository,
            state=row.state,
            created=row.created,
            ended=row.finished,
        )
        for row in connection.execute(queries.outlines())
    ]


def blobs_by_run(connection: sa.Connection, expired_at: datetime | None) -> Mapping[str, frozenset[str]]:
    """Digests that each run names."""
    found: dict[str, set[str]] = defaultdict(set)
    for run, digest in connection.execute(queries.logs_by_run()):
        found[run].add(digest)
    for run, digest, keep, finished in connection.execute(queries.artifacts_by_run()):
        timed = None not in (expired_at, keep, finished)
        if not timed or finished + timedelta(seconds=keep) > expired_at:
            found[run].add(digest)
    for run, logs in connection.execute(queries.service_logs()):
        found[run].update(filter(None, logs.values()))
    return {run: frozenset(digests) for run, digests in found.items()}


def delete_runs(connection: sa.Connection, runs: Collection[str]) -> int:
    """Forget finished runs; returns how many."""
    return sum(connection.execute(queries.forget_runs(part)).rowcount for part in _parts(sorted(runs)))


def expired(connection: sa.Connection, now: datetime, *, empty: bool) -> Sequence[ExpiredArtifact]:
    """Artifacts whose time is over; `empty` takes their content away."""
    found: list[ExpiredArtifact] = []
    for row in connection.execute(queries.timed_artifacts()).all():
        if row.finished + timedelta(seconds=row.keep) <= now:
            found.append(noun(ExpiredArtifact, row))
            if empty:
                connection.execute(queries.empty_artifact(row))
    return found


def _ids(connection: sa.Connection, query: sa.Select[Any]) -> list[str]:
    return list(connection.execute(query).scalars())


def _parts(ids: Sequence[str]) -> Sequence[Sequence[str]]:
    return [ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)]
