"""A recorded run, told to any observer: six stages, one of which fails a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline.diagnostic import Position
from pipeline.model.definition import Need, StageDefinition
from pipeline.model.outcome import Outcome, errored, failed, succeeded
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.report import TestCase, TestReport, TestStatus
from pipeline.model.run import Attempt, Products, Run, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.ports.observer import Observer

BEGIN = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
RUN_ID = "01jdexample0000000000000ab"


def header(command: str) -> bytes:
    """The line that the engine writes before a command's output."""
    return f"\x1b[1;36m$ {command}\x1b[0m\n".encode()


class Stopwatch:
    """A stopwatch that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def plan_of(stages: Sequence[tuple[str, str, Sequence[str]]]) -> Plan:
    """A plan of (name, kind, needs)."""
    commit = Commit(sha="4f1c0de" + "0" * 33, message="Sell boats", author="Anna <anna@example.org>", time=BEGIN)
    return Plan(
        name="shop",
        pipeline_digest="sha256:" + "1" * 64,
        event=Event(kind="push", branch="main", actor="anna"),
        source=Source(path="/src/shop", origin="https://git.example.org/shop.git", commit=commit),
        variables={},
        stages=tuple(
            PlannedStage(
                stage=StageDefinition(
                    name=name,
                    kind=kind,
                    position=Position(file="pipeline.yml", line=1, column=1),
                    needs=tuple(Need(stage=need) for need in needs),
                )
            )
            for name, kind, needs in stages
        ),
        environments=(),
    )


def run_of(plan: Plan, *, number: int = 0) -> Run:
    """A run of that plan that has just begun."""
    return Run(
        id=RUN_ID,
        number=number,
        repository=plan.source.origin,
        pipeline=plan.name,
        commit=plan.source.commit.sha,
        message=plan.source.commit.message,
        author=plan.source.commit.author,
        branch=plan.event.branch,
        tag="",
        event=plan.event.kind,
        actor=plan.event.actor,
        dirty=False,
        plan_digest=plan.digest,
        state=RunState.RUNNING,
        created=BEGIN,
    )


def ended(run: Run, conclusion: Conclusion) -> Run:
    """The run when it is done."""
    return replace(run, state=RunState.DONE, conclusion=conclusion, finished=BEGIN + timedelta(seconds=14))


class Telling:
    """Tells an observer what happens in a run, and moves its stopwatch."""

    def __init__(self, observer: Observer, stopwatch: Stopwatch, plan: Plan) -> None:
        self.observer = observer
        self.stopwatch = stopwatch
        self.run = run_of(plan)
        self.kinds = {item.stage.name: item.stage.kind for item in plan.stages}
        observer.run_started(self.run, plan)

    def numbered(self, number: int) -> None:
        """The records gave a number."""
        self.run = replace(self.run, number=number)
        self.observer.run_numbered(self.run)

    def start(self, name: str) -> None:
        """A stage begins to run."""
        stage = StageRun(name=name, kind=self.kinds[name])
        self.observer.stage_moved(self.run.id, stage, StageState.READY)
        self.observer.stage_moved(self.run.id, stage, StageState.PREPARING)
        self.observer.stage_moved(self.run.id, stage, StageState.RUNNING)

    def output(self, name: str, text: bytes) -> None:
        """A stage prints."""
        self.observer.stage_output(self.run.id, name, 1, text)

    def finish(self, name: str, outcome: Outcome, products: Products | None = None, *, attempts: int = 1) -> None:
        """A stage ends after so many attempts."""
        tries = tuple(
            Attempt(
                number=number,
                started=BEGIN,
                finished=BEGIN + timedelta(seconds=1),
                outcome=outcome if number == attempts else failed("exit 1"),
                products=(products or Products()) if number == attempts else Products(),
            )
            for number in range(1, attempts + 1)
        )
        stage = StageRun(
            name=name,
            kind=self.kinds[name],
            state=StageState.DONE,
            outcome=outcome,
            started=BEGIN,
            finished=BEGIN + timedelta(seconds=1),
            attempts=tries,
        )
        self.observer.attempt_finished(self.run.id, stage, tries[-1])
        self.observer.stage_finished(self.run.id, stage, outcome)

    def never_began(self, name: str, outcome: Outcome) -> None:
        """A stage is done without having run."""
        stage = StageRun(name=name, kind=self.kinds[name], state=StageState.DONE, outcome=outcome)
        self.observer.stage_finished(self.run.id, stage, outcome)

    def end(self, conclusion: Conclusion) -> None:
        """The run ends."""
        self.observer.run_finished(ended(self.run, conclusion))


SHOP = (
    ("checkout", "checkout", ()),
    ("unit", "test", ("checkout",)),
    ("lint", "run", ("checkout",)),
    ("image", "build", ("unit",)),
    ("docs", "run", ("checkout",)),
)


def products_of_failed_tests() -> Products:
    """What a test stage made whose second test failed."""
    return Products(
        tests=TestReport(
            cases=(
                TestCase(suite="unit", classname="tests.test_till", name="test_sum", status=TestStatus.PASSED),
                TestCase(
                    suite="unit",
                    classname="tests.test_till",
                    name="test_change",
                    status=TestStatus.FAILED,
                    message="assert 3 == 4\n +  where 3 = change(7)",
                    file="tests/test_till.py",
                    line=12,
                ),
            )
        )
    )


def failing_run(observer: Observer, stopwatch: Stopwatch) -> None:
    """The whole story: a test fails, an image is not there, what needs them is blocked, the rest succeeds."""
    story = Telling(observer, stopwatch, plan_of(SHOP))
    story.start("checkout")
    stopwatch.seconds += 0.4
    story.output("checkout", b"\x1b[2m\xc2\xb7 4f1c0de from /src/shop\x1b[0m\n")
    story.numbered(41)
    story.finish("checkout", succeeded("4f1c0de"))
    story.start("unit")
    story.start("lint")
    story.output("unit", header("pytest --junitxml=report.xml"))
    story.output("unit", b"collected 2 items\n.F\n1 failed, 1 passed\n")
    stopwatch.seconds += 12
    story.finish("lint", errored("image ruff:9 not found", hint="check the name, or log in to its registry"))
    story.finish("unit", failed("1 test failed"), products_of_failed_tests())
    story.never_began("image", Outcome(conclusion=Conclusion.BLOCKED, reason="needs unit: failed"))
    story.start("docs")
    story.output("docs", header("make docs"))
    stopwatch.seconds += 1.5
    story.finish("docs", succeeded("exit 0"), attempts=2)
    story.end(Conclusion.ERRORED)
