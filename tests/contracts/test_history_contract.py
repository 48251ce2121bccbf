"""What the records promise of many runs at once, against real databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from contracts.test_records_contract import (
    FAILED_ATTEMPT,
    GOOD_ATTEMPT,
    LATER,
    NOON,
    finished,
    plan,
    release,
    run,
    ulid,
)

from pipeline.errors import NotFoundError
from pipeline.model.history import FileTime, LogPlace, TestTime
from pipeline.model.report import CoverageReport, TestCase, TestReport, TestStatus
from pipeline.model.run import Artifact, Attempt, Products, StageRun
from pipeline.model.status import Conclusion, RunState
from pipeline.ports.records import Records


def case(name: str, status: TestStatus = TestStatus.PASSED, *, seconds: float = 1.0, file: str = "") -> TestCase:
    return TestCase(suite="s", classname="c", name=name, status=status, seconds=seconds, file=file, message="m")


def stage_of(*cases: TestCase, name: str = "unit", number: int = 1, **more: object) -> StageRun:
    """A stage whose last attempt reported these tests."""
    products = Products(tests=TestReport(cases=cases), coverage=CoverageReport(covered=3, total=4))
    attempt = replace(GOOD_ATTEMPT, number=number, products=products)
    return replace(finished(name, attempt), **more)  # type: ignore[arg-type]  # fields of StageRun


def record(records: Records, number: int, *stages: StageRun, over: bool = True, **more: object) -> str:
    """A run of these stages, over unless told otherwise."""
    made = run(number, **more)
    records.create_run(made, plan(*(stage.name for stage in stages)))
    for stage in stages:
        records.save_stage(made.id, stage)
    if over:
        records.update_run(made.id, state=RunState.DONE, conclusion=Conclusion.SUCCEEDED, finished=LATER)
    return made.id


FAILED = TestStatus.FAILED


class TestTrends:
    def test_runs_are_measured_newest_first_without_what_was_reused(self, records: Records) -> None:
        record(records, 1, stage_of(case("a"), case("b", FAILED), case("c", TestStatus.SKIPPED)))
        record(records, 2, stage_of(case("a", seconds=2.5)), stage_of(case("x"), name="other", reused=ulid(1)))
        record(records, 3, stage_of(case("a")), over=False)
        record(records, 4, stage_of(case("a")), repository="elsewhere")
        second, first = records.run_measures(repository="shop")
        assert (first.number, first.passed, first.failed, first.skipped) == (1, 1, 1, 1)
        assert first.pass_rate == 50.0
        assert first.coverage == CoverageReport(covered=3, total=4)
        assert (second.number, second.tests, second.test_seconds, second.pass_rate) == (2, 1, 2.5, 100.0)
        assert second.seconds == (LATER - run(2).created).total_seconds()

    def test_only_the_last_attempt_counts_and_a_name_stands_for_its_cells(self, records: Records) -> None:
        tries = (
            replace(GOOD_ATTEMPT, number=1, products=Products(tests=TestReport(cases=(case("a", FAILED), case("b"))))),
            replace(GOOD_ATTEMPT, number=2, products=Products(tests=TestReport(cases=(case("a"),)))),
        )
        cells = [replace(finished(f"unit:{cell}", *tries), group="unit", cell={"n": cell}) for cell in "12"]
        record(records, 1, *cells, stage_of(case("z"), name="other"))
        (all_stages,) = records.run_measures(repository="shop")
        (of_unit,) = records.run_measures(repository="shop", stage="unit")
        (of_cell,) = records.run_measures(repository="shop", stage="unit:2")
        assert (all_stages.tests, of_unit.tests, of_cell.tests) == (3, 2, 1)
        assert of_unit.failed == 0

    def test_a_limit_and_a_branch_choose_runs(self, records: Records) -> None:
        for number in range(1, 5):
            record(records, number, branch="x" if number % 2 else "main")
        assert [item.number for item in records.run_measures(repository="shop", runs=3)] == [4, 3, 2]
        assert [item.number for item in records.run_measures(repository="shop", branch="x")] == [3, 1]

    def test_slowest_tests(self, records: Records) -> None:
        record(records, 1, stage_of(case("slow", seconds=4), case("quick", seconds=1), case("bad", FAILED, seconds=99)))
        record(records, 2, stage_of(case("slow", seconds=2, file="t.py")))
        slowest = records.slowest_tests(repository="shop", limit=1)
        assert slowest == [TestTime(stage="unit", classname="c", name="slow", file="t.py", mean=3, longest=4, times=2)]
        assert records.slowest_tests(repository="absent") == ()


class TestResults:
    def test_what_went_wrong_and_the_history_of_a_test(self, records: Records) -> None:
        record(records, 1, stage_of(case("a", FAILED), case("b")))
        record(records, 2, stage_of(case("a"), case("b", TestStatus.ERRORED)))
        record(records, 3, stage_of(case("a", FAILED), reused=ulid(1)))
        wrong = records.test_results(repository="shop", wrong=True)
        assert [(item.number, item.name, item.status) for item in wrong] == [
            (2, "b", TestStatus.ERRORED),
            (1, "a", FAILED),
        ]
        history = records.test_results(repository="shop", names={"a"})
        assert [(item.number, item.status) for item in history] == [(2, TestStatus.PASSED), (1, FAILED)]
        assert (history[0].stage, history[0].cell, history[0].message) == ("unit", "unit", "m")

    def test_the_tree_of_the_run_comes_along(self, records: Records) -> None:
        made = run(1)
        source = plan("unit").source
        of_tree = replace(plan("unit"), source=replace(source, commit=replace(source.commit, tree="abc")))
        records.create_run(made, of_tree)
        records.save_stage(made.id, stage_of(case("a")))
        records.update_run(made.id, state=RunState.DONE, conclusion=Conclusion.SUCCEEDED, finished=LATER)
        (result,) = records.test_results(repository="shop")
        assert result.tree == "abc"

    def test_counts_beyond_the_listed_cases_survive(self, records: Records) -> None:
        report = TestReport(cases=(case("a", FAILED),), unlisted={TestStatus.PASSED: 7})
        record(records, 1, finished("unit", replace(GOOD_ATTEMPT, products=Products(tests=report))))
        assert records.find_run("1", repository="shop").stage("unit").products.tests == report

    def test_a_quarantined_failure_stays_marked(self, records: Records) -> None:
        held = replace(case("a", FAILED), quarantined="until 2026-12-31: #7")
        record(records, 1, stage_of(held))
        (result,) = records.test_results(repository="shop", wrong=True)
        assert result.quarantined == "until 2026-12-31: #7"

    def test_times_of_test_files(self, records: Records) -> None:
        record(records, 1, stage_of(case("a", seconds=1, file="a.py"), case("b", seconds=2, file="a.py")))
        record(records, 2, stage_of(case("c", seconds=5)))
        record(records, 3, StageRun(name="unit", kind="test"))
        assert sorted(records.file_times(repository="shop", stage="unit"), key=lambda item: item.run) == [
            FileTime(run=ulid(1), stage="unit", attempt=1, file="a.py", classname="c", seconds=3),
            FileTime(run=ulid(2), stage="unit", attempt=1, file="", classname="c", seconds=5),
        ]
        assert [item.run for item in records.file_times(repository="shop", stage="unit", runs=1)] == [ulid(2)]
        assert records.file_times(repository="shop", stage="absent") == []


class TestLogs:
    def test_places_of_logs(self, records: Records) -> None:
        served = replace(GOOD_ATTEMPT, service_logs={"db": "sha256:db"})
        record(records, 1, finished("b"), finished("a", FAILED_ATTEMPT, served))
        record(records, 2, finished("a", replace(GOOD_ATTEMPT, log="")), branch="x")
        places = records.log_places(repository="shop")
        common = {"run": ulid(1), "number": 1, "repository": "shop", "branch": "main", "stage": "a"}
        assert places == [
            LogPlace(**common, attempt=1, digest="sha256:log1"),  # type: ignore[arg-type]
            LogPlace(**common, attempt=2, digest="sha256:log2"),  # type: ignore[arg-type]
            LogPlace(**common, attempt=2, digest="sha256:db", service="db"),  # type: ignore[arg-type]
        ]
        assert records.log_places(branch="x") == []
        assert records.log_places(runs=1) == []
        assert records.log_places(conclusions=[Conclusion.FAILED]) == []
        assert len(records.log_places(conclusions=[Conclusion.SUCCEEDED])) == 3


class TestHousekeeping:
    def test_outlines_of_all_runs(self, records: Records) -> None:
        record(records, 1)
        record(records, 2, repository="other", over=False)
        assert [(item.run, item.repository, item.state, item.ended) for item in records.outlines()] == [
            (ulid(2), "other", RunState.RUNNING, None),
            (ulid(1), "shop", RunState.DONE, LATER),
        ]

    def test_blobs_by_run_and_logs_of_services_among_them(self, records: Records) -> None:
        served = replace(FAILED_ATTEMPT, service_logs={"db": "sha256:db"})
        record(records, 1, finished("a", served, GOOD_ATTEMPT))
        record(records, 2, finished("a", GOOD_ATTEMPT))
        same = {"sha256:a", "sha256:b", "sha256:log2"}
        assert records.blobs_by_run() == {ulid(1): same | {"sha256:log1", "sha256:db"}, ulid(2): same}
        assert records.referenced_blobs() == same | {"sha256:log1", "sha256:db"}

    def test_deleting_takes_all_of_a_finished_run_and_nothing_else(self, records: Records) -> None:
        gone = record(records, 1, finished("a", FAILED_ATTEMPT, GOOD_ATTEMPT))
        kept = record(records, 2, finished("a", GOOD_ATTEMPT))
        busy = record(records, 3, over=False)
        records.save_release(release())
        assert records.delete_runs([gone, busy, "absent"]) == 1
        with pytest.raises(NotFoundError):
            records.find_run(gone)
        assert records.find_run(kept).stage("a").attempts == (GOOD_ATTEMPT,)
        assert records.find_run(busy).state is RunState.RUNNING
        assert records.releases() == [release()]
        assert gone not in records.blobs_by_run()
        record(records, 4)
        assert records.find_run("4", repository="shop").id == ulid(4)

    def test_artifacts_expire_by_themselves(self, records: Records) -> None:
        short = Artifact(name="wheels", path="a.whl", digest="sha256:s", size=1, keep=60.0)
        long = replace(short, path="b.whl", digest="sha256:a", keep=9e6)
        ever = replace(long, path="c.whl", keep=None)
        attempt = Attempt(number=1, started=NOON, products=Products(artifacts=(short, long, ever)))
        over = record(records, 1, finished("a", attempt))
        record(records, 2, finished("a", attempt), over=False)
        assert records.expired_artifacts(LATER + timedelta(seconds=59)) == []
        due = records.expired_artifacts(LATER + timedelta(seconds=60))
        assert [(item.run, item.path) for item in due] == [(over, "a.whl")]
        assert records.blobs_by_run()[over] == {"sha256:a", "sha256:s"}
        assert records.blobs_by_run(expired_at=LATER + timedelta(seconds=60))[over] == {"sha256:a"}
        assert records.expire_artifacts(LATER + timedelta(seconds=60)) == due
        assert records.expired_artifacts(LATER + timedelta(seconds=60)) == []
        digests = [item.digest for item in records.find_run(over).stage("a").products.artifacts]
        assert digests == ["", "sha256:a", "sha256:a"]
