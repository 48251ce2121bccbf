"""Runs: storing them, moving them on, finding them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import NotFoundError, RecordsError, RefusedError
from pipeline.model.plan import Plan
from pipeline.model.run import Run, Runner, StageRun
from pipeline.model.status import Conclusion, RunState
from pipeline.model.trust import Trust
from pipeline.model.value import Value
from pipeline.ports.records import RunFilter, StageHistory
from pipeline.records import queries
from pipeline.records import tables as t
from pipeline.records.rows import noun, plain
from pipeline.records.stage_records import insert_stages, replace_stage, stages_of


def create_run(connection: sa.Connection, run: Run, plan: Plan, *, number: int = 0) -> int:
    """Store a run, its plan and its stages; the number is given here unless it was given before."""
    if connection.execute(queries.run_by_id(run.id)).first() is not None:
        raise RecordsError(f"run {run.id} is already recorded")
    number = number or queries.next_number(connection, run.repository)
    values = {name: item for name, item in plain(run).items() if name != "stages"}
    connection.execute(t.runs.insert().values(**values | {"number": number, "tree": plan.source.commit.tree}))
    connection.execute(t.plans.insert().values(run=run.id, body=plan.to_json()))
    planned = tuple(
        StageRun(name=item.stage.name, kind=item.stage.kind, group=item.stage.group, cell=item.stage.cell)
        for item in plan.stages
    )
    insert_stages(connection, run.id, 0, run.stages or planned)
    return number


def update_run(
    connection: sa.Connection, run: str, state: RunState, conclusion: Conclusion | None, finished: datetime | None
) -> None:
    """Change a run that is not done; NotFoundError where there is none."""
    changed: dict[str, Any] = {"state": state, "conclusion": conclusion, "finished": finished}
    moved = connection.execute(queries.move_run(run, changed)).rowcount
    if not moved and connection.execute(queries.run_by_id(run)).first() is None:
        raise _unknown(run)


def reopen_run(connection: sa.Connection, run: str, runner: Runner, seen: Run) -> None:
    """Hand a run to another runner, unless somebody was quicker."""
    taken = connection.execute(queries.reopen_run(run, runner, seen)).rowcount
    if not taken:
        raise RefusedError(
            f"run {seen.number or run} was taken up by another process in this moment",
            hint="`ecluse show` tells how it goes on",
        )


def save_plan(connection: sa.Connection, run: str, plan: Plan) -> None:
    """Replace the plan of a run."""
    if not connection.execute(t.plans.update().where(t.plans.c.run == run).values(body=plan.to_json())).rowcount:
        raise _unknown(run)


def save_stage(connection: sa.Connection, run: str, stage: StageRun) -> None:
    """Replace what is known of a stage; a stage that the plan did not have comes last."""
    if replace_stage(connection, run, stage):
        return
    position = connection.execute(queries.next_position(run)).scalar()
    if position is None:
        raise _unknown(run)
    insert_stages(connection, run, position, (stage,))


def find_run(connection: sa.Connection, reference: str, repository: str) -> Run:
    """By id, number, `last`, or prefix of an id, in this order."""
    row = _find(connection, reference.strip().lower(), repository)
    return _run(row, stages_of(connection, [row.id], products=True)[row.id])


def list_runs(connection: sa.Connection, chosen: RunFilter) -> Sequence[Run]:
    """Newest first, without products."""
    rows = connection.execute(queries.latest_runs(chosen)).all()
    stages = stages_of(connection, [row.id for row in rows], products=False)
    return [_run(row, stages[row.id]) for row in rows]


def plan_of(connection: sa.Connection, run: str) -> Mapping[str, Value]:
    """The plan as it was stored."""
    body: Mapping[str, Value] | None = connection.execute(queries.plan_of(run)).scalar()
    if body is None:
        raise _unknown(run)
    return body


def stage_seconds(connection: sa.Connection, repository: str, runs: int) -> Mapping[str, float]:
    """Medians by stage name."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for name, started, finished in connection.execute(queries.succeeded_times(repository, runs)):
        seconds[name].append((finished - started).total_seconds())
    return {name: statistics.median(values) for name, values in sorted(seconds.items())}


def stage_histories(
    connection: sa.Connection, repository: str, branch: str, trust: Sequence[Trust], runs: int
) -> Mapping[str, StageHistory]:
    """The last success of each stage of a branch."""
    found = connection.execute(queries.last_successes(repository, branch, trust, runs))
    return {name: StageHistory(commit=commit or "") for name, commit in found}


def _find(connection: sa.Connection, reference: str, repository: str) -> sa.Row[Any]:
    """The run's row. NotFoundError says whether nothing or too much was found."""
    exact = connection.execute(queries.run_by_id(reference)).first()
    if exact is not None:
        return exact
    if reference == "last":
        row = connection.execute(queries.latest_runs(RunFilter(repository=repository, limit=1))).first()
        if row is None:
            raise NotFoundError(
                "there is no run yet" + (f" of {repository}" if repository else ""), hint="start one with `ecluse run`"
            )
        return row
    found: Sequence[sa.Row[Any]] = ()
    if reference.isdecimal() and len(reference) < 10:
        found = connection.execute(queries.runs_by_number(int(reference), repository)).all()
    if not found and len(reference) >= 4:
        found = connection.execute(queries.runs_by_prefix(reference, repository)).all()
    if len(found) > 1:
        raise NotFoundError(
            f"'{reference}' may be run {found[0].id} or run {found[1].id}", hint="give more letters of its id"
        )
    if not found:
        raise _unknown(reference)
    return found[0]


def _run(row: sa.Row[Any], stages: tuple[StageRun, ...]) -> Run:
    runner = Runner(**row.runner) if row.runner is not None else None
    return noun(Run, row, runner=runner, stages=stages)


def _unknown(run: str) -> NotFoundError:
    return NotFoundError(f"there is no run '{run}'", hint="`ecluse runs` lists them")
