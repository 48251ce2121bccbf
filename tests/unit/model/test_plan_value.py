"""Every plan comes back from its JSON as it was: a run that was killed goes on with it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.bootstrap import Application
from pipeline.language.load import load_definition
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.source import Commit, Event, Source
from pipeline.planning.planner import plan

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(
    path
    for path in (ROOT / "examples").rglob("*.yml")
    if "version:" in path.read_text() and "stages:" in path.read_text()
)


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in FILES])
def test_a_plan_of_an_example(path: Path, tmp_path: Path) -> None:
    app = Application({"ECLUSE_HOME": str(tmp_path)})
    definition, _ = load_definition(path.read_bytes(), file=path.name, kinds=app.kinds, expressions=app.expressions)
    now = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    decided = plan(
        definition,
        event=Event(kind="push", branch="main", changed=("a", "b")),
        source=Source(path="/x", origin="", commit=Commit(sha="4f1c0de" * 5, message="m", author="a", time=now)),
        overrides={},
        kinds=app.kinds,
        expressions=app.expressions,
    )
    again = Plan.from_json(json.loads(json.dumps(decided.to_json())))
    assert again.digest == decided.digest
    assert again.to_json() == decided.to_json()
    assert [bare(item) for item in again.stages] == [bare(item) for item in decided.stages]


def bare(planned: PlannedStage) -> PlannedStage:
    """Without the kind's own options, in which a sequence may be a list or a tuple."""
    return replace(planned, stage=replace(planned.stage, options={}))
