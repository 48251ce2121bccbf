"""A database of every released schema is brought up to date with what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from environment.postgres import Postgres

from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.ports.records import RunFilter
from pipeline.records import sqlite_url
from pipeline.records.database import Database
from pipeline.records.revisions import REVISIONS
from pipeline.records.server.queue import SqlQueue
from pipeline.records.sql import SqlRecords
from pipeline.records.upgrade import upgrade

TIME = "2026-01-01T12:00:00.000000Z"
RUN = "01jd0000000000000000000001"
ROWS: Mapping[str, Mapping[str, object]] = {
    "counters": {"repository": "shop", "last": 1},
    "runs": {
        "id": RUN, "number": 1, "repository": "shop", "pipeline": "shop", "commit": "4f1c0de", "message": "Sell tea",
        "author": "Anna", "branch": "main", "tag": "", "event": "push", "actor": "anna", "dirty": False,
        "plan_digest": "sha256:0", "state": "done", "conclusion": "succeeded", "created": TIME, "finished": TIME,
        "executor": "docker",
    },
    "plans": {"run": RUN, "body": json.dumps({"name": "shop"})},
    "stage_runs": {
        "run": RUN, "name": "unit", "position": 0, "kind": "test", "state": "done", "conclusion": "succeeded",
        "reason": "exit 0", "hint": "", "effect": "none", "transient": False, "started": TIME, "finished": TIME,
    },
    "attempts": {
        "run": RUN, "stage": "unit", "number": 1, "started": TIME, "finished": TIME, "conclusion": "succeeded",
        "reason": "exit 0", "hint": "", "effect": "none", "transient": False, "log": "sha256:1", "log_lines": 3,
        "release": "", "promotion": "", "outputs": "{}",
    },
}  # fmt: skip
"""What the first schema had; later ones fill their further columns by their defaults, or as below."""
LATER: Mapping[str, object] = {"cell": "{}", "service_logs": "{}", "layer": "", "trust": "branch", "group": ""}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, without any schema."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    server: Postgres = request.getfixturevalue("postgres_server")[0]
    name = server.fresh()
    yield server.url(name)
    server.drop(name)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_what_an_older_program_wrote_is_there_afterwards(url: str, revision: str) -> None:
    before = Database(url, wait=1)
    with before.upgrading() as connection:
        upgrade(connection, revision)
    with before.writing() as connection:
        for name, values in ROWS.items():
            _insert(connection, name, values)
    before.close()

    records = SqlRecords(url)
    (run,) = records.runs(RunFilter())
    assert (run.id, run.number, run.state, run.conclusion) == (RUN, 1, RunState.DONE, Conclusion.SUCCEEDED)
    stage = records.find_run("1", repository="shop").stage("unit")
    assert (stage.state, stage.attempts[0].log, stage.attempts[0].log_lines) == (StageState.DONE, "sha256:1", 3)
    assert records.repositories() == ["shop"]
    assert SqlQueue(records.database).items() == []
    records.close()


def _insert(connection: sa.Connection, name: str, values: Mapping[str, object]) -> None:
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    missing = {
        column.name: LATER.get(column.name, _nothing(column))
        for column in table.columns
        if column.name not in values and not column.nullable and column.server_default is None
    }
    connection.execute(table.insert().values(**values | missing))


def _nothing(column: sa.Column[Any]) -> object:
    return {str: "", int: 0, bool: False}[column.type.python_type]
