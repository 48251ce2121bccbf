"""What gates look at, from the records: when a release was live and verified, and what its run has shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.gate_facts import LiveInterval
from pipeline.model.outcome import Outcome
from pipeline.model.release import LedgerEntry, Promotion, PromotionKind
from pipeline.model.report import TestCase, TestReport, TestStatus
from pipeline.model.run import Attempt, Products, Run, StageRun
from pipeline.model.status import Conclusion, PromotionState, RunState, StageState
from pipeline.operations.live_intervals import live_intervals
from pipeline.operations.run_evidence import evidence_of

START = datetime(2026, 11, 27, tzinfo=UTC)
S, K = PromotionState, PromotionKind


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def promotion(
    release: str,
    hour: float,
    state: PromotionState = S.DEPLOYED,
    *,
    kind: PromotionKind = K.PROMOTE,
    environment: str = "staging",
) -> Promotion:
    return Promotion(
        id=f"{hour:04}", release=release, environment=environment, kind=kind, state=state, requested_by="anna",
        reason="", created=at(hour), finished=at(hour),
    )  # fmt: skip


def live(
    start: float, end: float | None = None, *, rolled_back: bool = False, environment: str = "staging"
) -> LiveInterval:
    return LiveInterval(
        environment=environment, start=at(start), end=None if end is None else at(end), rolled_back=rolled_back
    )


@pytest.mark.parametrize(
    ("promotions", "removed", "intervals"),
    [
        pytest.param([promotion("a", 1)], {}, [live(1)], id="still-live"),
        pytest.param([promotion("b", 1)], {}, [], id="another-one"),
        pytest.param([promotion("a", 1), promotion("b", 3)], {}, [live(1, 3)], id="a-newer-one"),
        pytest.param([promotion("a", 1), promotion("a", 3)], {}, [live(1)], id="the-same-again"),
        pytest.param(
            [promotion("a", 1), promotion("z", 3, kind=K.ROLLBACK)], {}, [live(1, 3, rolled_back=True)],
            id="a-rollback-away",
        ),
        pytest.param(
            [promotion("a", 1), promotion("b", 3), promotion("a", 5, kind=K.ROLLBACK)], {}, [live(1, 3), live(5)],
            id="a-rollback-to-it",
        ),
        pytest.param([promotion("a", 1), promotion("b", 3, S.ROLLED_BACK)], {}, [live(1)], id="one-that-did-not-last"),
        pytest.param([promotion("a", 1), promotion("b", 3, S.PARTIAL)], {}, [live(1, 3)], id="half-of-another"),
        pytest.param([promotion("a", 1, S.PARTIAL)], {}, [], id="half-of-it-is-not-verified"),
        pytest.param([promotion("a", 1), promotion("a", 3, S.PARTIAL)], {}, [live(1, 3)], id="again-and-not-verified"),
        pytest.param([promotion("a", 1, S.REFUSED), promotion("a", 2, S.FAILED)], {}, [], id="never-in"),
        pytest.param([promotion("a", 1)], {"0001": 4}, [live(1, 4)], id="taken-away"),
        pytest.param(
            [promotion("a", 1), promotion("a", 2, environment="dev")], {}, [live(1), live(2, environment="dev")],
            id="in-two-places",
        ),
    ],
)  # fmt: skip
def test_when_a_release_was_live(
    promotions: list[Promotion], removed: dict[str, float], intervals: list[LiveInterval]
) -> None:
    gone = {
        name: LedgerEntry(
            seq=1, time=at(hour), actor="", action="removed", subject=name, reason="", data={}, previous="", hash=""
        )
        for name, hour in removed.items()
    }
    assert list(live_intervals("a", promotions, removed=gone)) == intervals
    assert list(live_intervals("a", promotions[::-1], removed=gone)) == intervals, "in whatever order they come"


def stage(name: str, kind: str, conclusion: Conclusion | None, products: Products | None = None) -> StageRun:
    return StageRun(
        name=name,
        kind=kind,
        state=StageState.RUNNING if conclusion is None else StageState.DONE,
        outcome=None if conclusion is None else Outcome(conclusion=conclusion, reason=""),
        attempts=(Attempt(number=1, started=START, products=products or Products()),),
    )


def run(*stages: StageRun) -> Run:
    return Run(
        id="01run", number=41, repository="shop", pipeline="shop", commit="4f1c0de", message="", author="",
        branch="main", tag="", event="push", actor="anna", dirty=False, plan_digest="",
        state=RunState.RUNNING, created=START, stages=stages,
    )  # fmt: skip


def case(name: str, status: TestStatus) -> TestCase:
    return TestCase(suite="s", classname="c", name=name, status=status)


REPORT = TestReport(cases=(case("a", TestStatus.PASSED), case("b", TestStatus.SKIPPED), case("c", TestStatus.FAILED)))
FINDING = Finding(check="vulnerabilities", tool="t", rule="r", severity=FindingSeverity.HIGH, message="m")
OK = Conclusion.SUCCEEDED


def test_what_stages_show() -> None:
    found = evidence_of(
        run(
            stage("unit", "test", OK, Products(tests=REPORT)),
            stage("scan", "scan", Conclusion.WARNED, Products(findings=(FINDING, FINDING))),
        ),
        waiting=frozenset(),
    )
    unit, scan = found.stages
    assert (unit.kind, unit.conclusion, unit.tests, unit.tests_failed) == ("test", OK, 2, 1)
    assert (scan.conclusion, scan.tests, dict(scan.findings)) == (Conclusion.WARNED, None, {FindingSeverity.HIGH: 2})
    assert (found.number, found.done, found.conclusion, found.unfinished) == (41, True, Conclusion.WARNED, ())


@pytest.mark.parametrize(
    ("stages", "waiting", "done", "conclusion", "unfinished"),
    [
        pytest.param([stage("unit", "test", OK), stage("prod", "deploy", None)], {"prod"}, True, OK, (),
                     id="only-what-waits-for-it-is-left"),
        pytest.param([stage("unit", "test", OK), stage("slow", "test", None)], {"prod"}, False, OK, ("slow",),
                     id="something-else-is-under-way"),
        pytest.param([stage("unit", "test", Conclusion.FAILED), stage("prod", "deploy", None)], {"prod"}, True,
                     Conclusion.FAILED, (), id="something-failed"),
        pytest.param([stage("unit", "test", OK), stage("prod", "deploy", Conclusion.FAILED)], {"prod"}, True, OK, (),
                     id="it-was-refused-before"),
    ],
)  # fmt: skip
def test_whether_the_run_is_done(
    stages: list[StageRun], waiting: set[str], done: bool, conclusion: Conclusion, unfinished: tuple[str, ...]
) -> None:
    found = evidence_of(run(*stages), waiting=frozenset(waiting))
    assert (found.done, found.conclusion, found.unfinished) == (done, conclusion, unfinished)
