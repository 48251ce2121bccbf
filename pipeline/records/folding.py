"""Folds what runs spooled into the tables, in the order in which it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import EcluseError
from pipeline.model.finding import Finding
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan
from pipeline.model.release import Measurement
from pipeline.model.report import CoverageReport, TestReport
from pipeline.model.run import Run, StageRun
from pipeline.model.status import Conclusion, RunState
from pipeline.model.value import from_value
from pipeline.records import run_records
from pipeline.records import tables as t

_NAMES = {kind.__name__: kind for kind in (Finding, Outcome, Measurement, CoverageReport, TestReport)}
"""What the nouns of a run name without importing it."""


def waiting(connection: sa.Connection) -> bool:
    """Whether anything is spooled."""
    return connection.execute(sa.select(t.spool.c.seq).where(t.spool.c.error == "").limit(1)).first() is not None


def fold(connection: sa.Connection) -> None:
    """Take everything over, within the connection's transaction.

    What cannot be read is kept with the reason in `error`, so that it neither stops the rest nor is lost.
    """
    rows = connection.execute(sa.select(t.spool).where(t.spool.c.error == "").order_by(t.spool.c.seq)).all()
    bodies = [(row.seq, row.run, json.loads(row.body)) for row in rows]
    last = {(run, body["save_stage"]["name"]): seq for seq, run, body in bodies if "save_stage" in body}
    for seq, run, body in bodies:
        stage = body.get("save_stage")
        if stage is None or last[run, stage["name"]] == seq:
            try:
                with connection.begin_nested():
                    _apply(connection, run, body)
            except (EcluseError, ValueError, KeyError, TypeError) as error:
                why = f"{type(error).__name__}: {error}"
                connection.execute(t.spool.update().where(t.spool.c.seq == seq).values(error=why))
                continue
        connection.execute(t.spool.delete().where(t.spool.c.seq == seq))


def _apply(connection: sa.Connection, run: str, body: Mapping[str, Any]) -> None:
    if "create_run" in body:
        made = from_value(Run, body["create_run"], names=_NAMES)
        run_records.create_run(connection, made, Plan.from_json(body["plan"]), number=body["number"])
    elif "save_stage" in body:
        run_records.save_stage(connection, run, from_value(StageRun, body["save_stage"], names=_NAMES))
    elif "save_plan" in body:
        run_records.save_plan(connection, run, Plan.from_json(body["save_plan"]))
        for stage in body["stages"]:
            run_records.save_stage(connection, run, from_value(StageRun, stage, names=_NAMES))
    else:
        moved = body["update_run"]
        run_records.update_run(
            connection,
            run,
            RunState(moved["state"]),
            Conclusion(moved["conclusion"]) if moved["conclusion"] else None,
            datetime.fromisoformat(moved["finished"]) if moved["finished"] else None,
        )
