"""A run as JSON events, one object a line, for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import BinaryIO

from pipeline.cli.render.outlet import Outlet
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.report import TestStatus
from pipeline.model.run import Attempt, Products, Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.model.value import Value, to_value


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


class JsonEvents:
    """An observer that writes each call as `{"event": …, "time": …, "run": …, …}`; `docs/command.md` lists them.

    When nobody reads any more, it falls silent and the run goes on.
    """

    def __init__(self, out: BinaryIO, *, clock: Callable[[], datetime] = now) -> None:
        self._outlet = Outlet(out)
        self._clock = clock

    def run_started(self, run: Run, plan: Plan) -> None:
        """`run_started` with the run and the names of its stages; the number is not known yet."""
        stages = [_planned(item) for item in plan.stages]
        self._emit("run_started", run.id, **_facts(run), plan=plan.digest, stages=stages)

    def run_numbered(self, run: Run) -> None:
        """`run_numbered` with the number that the records gave."""
        self._emit("run_numbered", run.id, number=run.number)

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        """`run_moved` with the new state and what it waits for."""
        self._emit("run_moved", run, state=state.value, waits_for=why)

    def run_noted(self, run: str, text: str) -> None:
        """`note` about the run as a whole."""
        self._emit("note", run, text=text)

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """`stage_moved` with the new state."""
        self._emit("stage_moved", run, stage=stage.name, state=state.value)

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """`stage_output` with one or more whole lines."""
        self._emit("stage_output", run, stage=stage, attempt=attempt, text=text.decode("utf-8", "replace"))

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        """`attempt_finished` with its outcome and what it made; tests and findings as counts."""
        self._emit(
            "attempt_finished",
            run,
            stage=stage.name,
            attempt=attempt.number,
            outcome=to_value(attempt.outcome),
            log=attempt.log,
            log_lines=attempt.log_lines,
            products=_products(attempt.products),
        )

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """`stage_finished` with its outcome."""
        self._emit(
            "stage_finished",
            run,
            stage=stage.name,
            outcome=to_value(outcome),
            seconds=stage.seconds,
            flaky=stage.flaky,
            **({"reused": stage.reused} if stage.reused else {}),
        )

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None:
        """`plan_extended` with the stages that came and the digest of the longer plan."""
        came = {stage.name for stage in stages}
        added = [_planned(item) for item in plan.stages if item.stage.name in came]
        self._emit("plan_extended", run, plan=plan.digest, stages=added)

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """`stage_parked` with what it waits for."""
        self._emit("stage_parked", run, stage=stage.name, waits_for=stage.parked)

    def run_finished(self, run: Run) -> None:
        """`run_finished` with state and conclusion, and what a parked run waits for."""
        self._emit(
            "run_finished",
            run.id,
            number=run.number,
            state=run.state.value,
            conclusion=run.conclusion.value if run.conclusion else None,
            stages={stage.name: stage.conclusion.value if stage.conclusion else None for stage in run.stages},
            **({"waits_for": waits} if (waits := {one.name: one.parked for one in run.stages if one.parked}) else {}),
        )

    def note(self, text: str) -> None:
        """`note` about the run as a whole."""
        self._emit("note", None, text=text)

    def close(self) -> None:
        """Nothing is held open."""

    def _emit(self, event: str, run: str | None, **facts: Value) -> None:
        moment = self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry: dict[str, Value] = {"event": event, "time": moment, "run": run, **facts}
        self._outlet.write(
            json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        )


def _planned(item: PlannedStage) -> dict[str, Value]:
    stage = item.stage
    return {"name": stage.name, "kind": stage.kind, "needs": [need.stage for need in stage.needs]}


def _facts(run: Run) -> dict[str, Value]:
    return {
        "number": run.number or None,
        "repository": run.repository,
        "pipeline": run.pipeline,
        "commit": run.commit,
        "branch": run.branch,
        "tag": run.tag,
        "on": run.event,
        "actor": run.actor,
        "dirty": run.dirty,
        "executor": run.executor,
    }


def _products(products: Products) -> dict[str, Value]:
    tests = products.tests
    return {
        "artifacts": to_value(products.artifacts),
        "tests": {status.value: tests.count(status) for status in TestStatus} if tests else None,
        "failures": [f"{case.classname}.{case.name}".lstrip(".") for case in tests.failures] if tests else [],
        "coverage": round(products.coverage.percent, 2) if products.coverage else None,
        "findings": dict(Counter(finding.severity.value for finding in products.findings)),
        "image": to_value(products.image),
        "pushed": to_value(products.pushed),
        "release": products.release or None,
        "promotion": products.promotion or None,
        "outputs": to_value(products.outputs),
    }
