"""Stage runs: their attempts and all that these left, in and out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pipeline.model.finding import Finding
from pipeline.model.release import Measurement
from pipeline.model.report import CoverageReport, TestCase, TestReport, TestStatus
from pipeline.model.run import Artifact, Attempt, BuiltImage, Products, PushedImage, StageRun
from pipeline.records import queries
from pipeline.records import tables as t
from pipeline.records.rows import noun, outcome_of, outcome_values, plain

_Key = tuple[str, int]
"""Stage and attempt number."""


def insert_stages(connection: sa.Connection, run: str, first: int, stages: Sequence[StageRun]) -> None:
    """Store stage runs that are not there, at the places from `first` on."""
    if not stages:
        return
    rows = [
        {"run": run, "name": stage.name, "position": first + index, **_stage_values(stage)}
        for index, stage in enumerate(stages)
    ]
    connection.execute(t.stage_runs.insert(), rows)
    for stage in stages:
        for attempt in stage.attempts:
            _insert_attempt(connection, run, stage.name, attempt)


def replace_stage(connection: sa.Connection, run: str, stage: StageRun) -> bool:
    """Store what is known of a stage at its old place; False where it has none.

    Its row and that of an attempt that goes on are changed, not removed: for a row that is removed the database looks
    in six tables for what hangs on it.
    """
    changed = connection.execute(queries.change_stage(run, stage.name, _stage_values(stage))).rowcount
    if not changed:
        return False
    under_way: set[int] = set()
    ended: set[int] = set()
    for number, finished, conclusion in connection.execute(queries.attempts_known(run, stage.name)):
        (under_way if finished is None and conclusion is None else ended).add(number)
    gone = ended | (under_way - {attempt.number for attempt in stage.attempts})
    if gone:
        connection.execute(queries.forget_attempts(run, stage.name, sorted(gone)))
    for attempt in stage.attempts:
        if attempt.number in under_way:
            connection.execute(queries.change_attempt(run, stage.name, attempt.number, _attempt_values(attempt)))
            _insert_products(connection, run, stage.name, attempt)
        else:
            _insert_attempt(connection, run, stage.name, attempt)
    return True


def _stage_values(stage: StageRun) -> dict[str, Any]:
    return {
        "kind": stage.kind,
        "state": stage.state,
        "started": stage.started,
        "finished": stage.finished,
        "group": stage.group,
        "cell": stage.cell,
        "reused": stage.reused,
        "parked": stage.parked,
        **outcome_values(stage.outcome),
    }


def _attempt_values(attempt: Attempt) -> dict[str, Any]:
    made = attempt.products
    return {
        "started": attempt.started,
        "finished": attempt.finished,
        "log": attempt.log,
        "log_lines": attempt.log_lines,
        "image": made.image,
        "pushed": made.pushed,
        "release": made.release,
        "promotion": made.promotion,
        "outputs": made.outputs,
        "service_logs": attempt.service_logs,
        "layer": attempt.layer,
        **outcome_values(attempt.outcome),
    }


def _insert_attempt(connection: sa.Connection, run: str, stage: str, attempt: Attempt) -> None:
    place = {"run": run, "stage": stage, "number": attempt.number}
    connection.execute(t.attempts.insert().values(**place, **_attempt_values(attempt)))
    _insert_products(connection, run, stage, attempt)


def _insert_products(connection: sa.Connection, run: str, stage: str, attempt: Attempt) -> None:
    """What an attempt left in tables of its own; one that is under way has left nothing yet."""
    made = attempt.products
    rows: Mapping[sa.Table, list[dict[str, Any]]] = {
        t.artifacts: [plain(item) for item in made.artifacts],
        t.reports: _report_rows(made),
        t.test_cases: [plain(item) for item in made.tests.cases] if made.tests else [],
        t.findings: [plain(item) | {"fingerprint": item.fingerprint} for item in made.findings],
        t.measurements: [plain(item) for item in made.measurements],
    }
    place = {"run": run, "stage": stage, "attempt": attempt.number}
    for table, items in rows.items():
        if items:
            connection.execute(table.insert(), [item | place | {"position": index} for index, item in enumerate(items)])


def _report_rows(made: Products) -> list[dict[str, Any]]:
    """One row a report, so that a report without any test is kept apart from no report."""
    empty = dict.fromkeys(("passed", "failed", "errored", "skipped", "covered", "total"))
    rows: list[dict[str, Any]] = []
    if made.tests is not None:
        rows.append(empty | {"type": "tests"} | {status.value: made.tests.count(status) for status in TestStatus})
    if made.coverage is not None:
        rows.append(empty | {"type": "coverage"} | plain(made.coverage))
    return rows


def stages_of(connection: sa.Connection, runs: Sequence[str], *, products: bool) -> Mapping[str, tuple[StageRun, ...]]:
    """Stage runs by run, with their attempts; with products only for a single run."""
    attempts: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    made = _products_of(connection, runs[0]) if products else {}
    for row in connection.execute(queries.attempts_of(runs)):
        left = made.get((row.stage, row.number), Products())
        attempts[row.run, row.stage].append(
            noun(Attempt, row, outcome=outcome_of(row), products=_with_columns(left, row) if products else left)
        )
    stages: dict[str, list[StageRun]] = {run: [] for run in runs}
    for row in connection.execute(queries.stages_of(runs)):
        mine = tuple(attempts[row.run, row.name])
        stages[row.run].append(noun(StageRun, row, outcome=outcome_of(row), attempts=mine))
    return {run: tuple(items) for run, items in stages.items()}


def _products_of(connection: sa.Connection, run: str) -> Mapping[_Key, Products]:
    """What each attempt of a run left in tables of its own."""

    def rows_of(table: sa.Table) -> Mapping[_Key, list[sa.Row[Any]]]:
        grouped: dict[_Key, list[sa.Row[Any]]] = defaultdict(list)
        for row in connection.execute(queries.left_by(run, table)):
            grouped[row.stage, row.attempt].append(row)
        return grouped

    artifacts, cases, found = rows_of(t.artifacts), rows_of(t.test_cases), rows_of(t.findings)
    measured, reports = rows_of(t.measurements), rows_of(t.reports)
    made: dict[_Key, Products] = {}
    for key in {*artifacts, *cases, *found, *measured, *reports}:
        kept = {row.type: row for row in reports.get(key, ())}
        made[key] = Products(
            artifacts=tuple(noun(Artifact, row) for row in artifacts.get(key, ())),
            tests=_tests(kept["tests"], cases.get(key, ())) if "tests" in kept else None,
            coverage=noun(CoverageReport, kept["coverage"]) if "coverage" in kept else None,
            findings=tuple(noun(Finding, row) for row in found.get(key, ())),
            measurements=tuple(noun(Measurement, row) for row in measured.get(key, ())),
        )
    return made


def _tests(counted: sa.Row[Any], rows: Sequence[sa.Row[Any]]) -> TestReport:
    """The cases, and what was counted beyond them."""
    listed = TestReport(cases=tuple(noun(TestCase, row) for row in rows))
    beyond = {status: counted._mapping[status.value] - listed.count(status) for status in TestStatus}
    return TestReport(cases=listed.cases, unlisted={status: count for status, count in beyond.items() if count > 0})


def _with_columns(left: Products, row: sa.Row[Any]) -> Products:
    """The products with what stands in the attempt's own row."""
    pushed = PushedImage(**row.pushed | {"tags": tuple(row.pushed["tags"])}) if row.pushed is not None else None
    return Products(
        artifacts=left.artifacts,
        tests=left.tests,
        coverage=left.coverage,
        findings=left.findings,
        measurements=left.measurements,
        image=BuiltImage(**row.image) if row.image is not None else None,
        pushed=pushed,
        release=row.release,
        promotion=row.promotion,
        outputs=row.outputs,
    )
