"""What every implementation of the records port promises, against real databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.diagnostic import Position
from pipeline.errors import NotFoundError, RecordsError
from pipeline.model.definition import StageDefinition
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.ledger import GENESIS, verify
from pipeline.model.outcome import Effect, Outcome, failed, succeeded
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.release import Measurement, Promotion, PromotionKind, Release
from pipeline.model.report import CoverageReport, TestCase, TestReport, TestStatus
from pipeline.model.run import Artifact, Attempt, BuiltImage, Products, PushedImage, Run, Runner, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, PromotionState, RunState, StageState
from pipeline.ports.records import Records, RunFilter

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(seconds=90)


def ulid(number: int) -> str:
    return f"01jd{number:022d}"


def run(number: int, *, repository: str = "shop", **more: object) -> Run:
    made = Run(
        id=ulid(number),
        number=0,
        repository=repository,
        pipeline="shop",
        commit="4f1c0de" * 5,
        message="Sell tea",
        author="Anna <anna@example.org>",
        branch="main",
        tag="",
        event="push",
        actor="anna",
        dirty=False,
        plan_digest="sha256:" + "0" * 64,
        state=RunState.RUNNING,
        created=NOON + timedelta(seconds=number),
        runner=Runner(host="h", boot="b", pid=7, started_ticks=8),
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields of Run


def plan(*stages: str) -> Plan:
    position = Position(file="pipeline.yml", line=1, column=1)
    return Plan(
        name="shop",
        pipeline_digest="sha256:" + "1" * 64,
        event=Event(kind="push", branch="main"),
        source=Source(path="p", origin="o", commit=Commit(sha="4f1c0de", message="Sell tea", author="Anna", time=NOON)),
        variables={"IMAGE": "registry.example.org/shop"},
        stages=tuple(PlannedStage(stage=StageDefinition(name=name, kind="run", position=position)) for name in stages),
        environments=(),
    )


PRODUCTS = Products(
    artifacts=(
        Artifact(name="wheels", path="dist/b.whl", digest="sha256:b", size=5_000_000_000),
        Artifact(name="wheels", path="dist/a.whl", digest="sha256:a", size=1, kind="report"),
    ),
    tests=TestReport(
        cases=(
            TestCase(suite="s", classname="c", name="good", status=TestStatus.PASSED, seconds=0.25),
            TestCase(
                suite="s",
                classname="c",
                name="bad",
                status=TestStatus.FAILED,
                message="1 != 2",
                details="long\ntext",
                file="test_a.py",
                line=9,
            ),
        )
    ),
    coverage=CoverageReport(covered=7, total=9),
    findings=(
        Finding(
            check="vulnerabilities",
            tool="scanner",
            rule="CVE-1",
            severity=FindingSeverity.HIGH,
            message="hole",
            file="a",
            line=3,
            package="p",
            version="1",
            fixed_in="2",
            url="u",
        ),
    ),
    image=BuiltImage(id="sha256:i", reference="ecluse/x", size=12),
    pushed=PushedImage(repository="r/shop", digest="sha256:d", tags=("1", "main")),
    release="sha256:rel",
    promotion="01prom",
    measurements=(
        Measurement(check="http /", passed=True, seen="200", wanted="200", time=NOON, seconds=0.125),
        Measurement(
            check="errors",
            passed=True,
            seen="0.02 against 0.01: ratio 2",
            wanted="ratio below 3",
            time=NOON,
            verdict="pass",
            query="sum(errors)",
            value=0.02,
            baseline=0.01,
        ),
        Measurement(check="tcp 80", passed=False, seen="refused", wanted="open", time=LATER),
    ),
    outputs={"VERSION": "1.0"},
)


def finished(name: str, *attempts: Attempt, seconds: float = 90.0) -> StageRun:
    return StageRun(
        name=name,
        kind="run",
        state=StageState.DONE,
        outcome=succeeded(),
        started=NOON,
        finished=NOON + timedelta(seconds=seconds),
        attempts=attempts,
    )


FAILED_ATTEMPT = Attempt(
    number=1,
    started=NOON,
    finished=LATER,
    outcome=Outcome(
        conclusion=Conclusion.ERRORED, reason="engine", hint="look", effect=Effect.ROLLED_BACK, transient=True
    ),
    log="sha256:log1",
    log_lines=4,
)
GOOD_ATTEMPT = Attempt(
    number=2, started=NOON, finished=LATER, outcome=succeeded(), log="sha256:log2", products=PRODUCTS
)


def release(name: str = "41-4f1c0de", *, image: str = "1", repository: str = "shop", at: datetime = NOON) -> Release:
    return Release(
        repository=repository,
        commit="4f1c0de",
        images={"image": f"r/shop@sha256:{image * 64}"},
        pipeline_digest="sha256:" + "1" * 64,
        name=name,
        run=ulid(1),
        dirty=False,
        created=at,
    )


def promotion(of: Release, number: int = 1, **more: object) -> Promotion:
    made = Promotion(
        id=ulid(number),
        release=of.id,
        environment="dev",
        kind=PromotionKind.PROMOTE,
        state=PromotionState.PLANNED,
        requested_by="anna",
        reason="run 41",
        created=NOON + timedelta(seconds=number),
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields of Promotion


class TestRuns:
    def test_numbers_count_up_in_each_repository(self, records: Records) -> None:
        numbers = [
            records.create_run(run(number, repository=repository), plan())
            for number, repository in enumerate(["shop", "shop", "other", "shop"])
        ]
        assert numbers == [1, 2, 1, 3]

    def test_a_run_comes_back_whole(self, records: Records) -> None:
        made = run(1, tag="v1", dirty=True, message="Tee für\nalle ☕", finished=LATER, conclusion=Conclusion.WARNED)
        records.create_run(made, plan("a"))
        assert records.find_run(made.id) == replace(made, number=1, stages=(StageRun(name="a", kind="run"),))

    def test_a_run_without_owner_comes_back_without(self, records: Records) -> None:
        records.create_run(run(1, runner=None), plan())
        assert records.find_run(ulid(1)).runner is None

    def test_the_same_run_twice_is_refused_and_takes_no_number(self, records: Records) -> None:
        records.create_run(run(1), plan())
        with pytest.raises(RecordsError, match="already recorded"):
            records.create_run(run(1), plan())
        assert records.create_run(run(2), plan()) == 2

    def test_the_plan_comes_back_as_json(self, records: Records) -> None:
        records.create_run(run(1), plan("a", "b"))
        assert records.plan(ulid(1)) == plan("a", "b").to_json()

    def test_a_run_moves_until_it_is_done(self, records: Records) -> None:
        records.create_run(run(1), plan())
        records.update_run(ulid(1), state=RunState.PARKED)
        assert records.find_run(ulid(1)).state is RunState.PARKED
        records.update_run(ulid(1), state=RunState.DONE, conclusion=Conclusion.FAILED, finished=LATER)
        records.update_run(ulid(1), state=RunState.RUNNING)
        found = records.find_run(ulid(1))
        assert (found.state, found.conclusion, found.finished) == (RunState.DONE, Conclusion.FAILED, LATER)

    @pytest.mark.parametrize(
        ("reference", "repository", "number"),
        [
            pytest.param(ulid(2), "", 2, id="id"),
            pytest.param(ulid(2).upper(), "", 2, id="id in capitals"),
            pytest.param(ulid(12)[:-1], "", 12, id="prefix"),
            pytest.param("2", "shop", 2, id="number"),
            pytest.param("1", "other", 12, id="number in another repository"),
            pytest.param("2", "", 2, id="number that is the only one"),
            pytest.param("last", "", 12, id="last of all"),
            pytest.param("last", "shop", 2, id="last of a repository"),
        ],
    )
    def test_finding(self, records: Records, reference: str, repository: str, number: int) -> None:
        for index in (1, 2):
            records.create_run(run(index), plan())
        records.create_run(run(12, repository="other"), plan())
        assert records.find_run(reference, repository=repository).id == ulid(number)

    @pytest.mark.parametrize(
        ("reference", "repository", "message"),
        [
            pytest.param("01jd", "", "'01jd' may be run", id="prefix of several"),
            pytest.param("1", "", "'1' may be run", id="number of several repositories"),
            pytest.param("01j", "", "there is no run '01j'", id="prefix too short"),
            pytest.param("99", "shop", "there is no run '99'", id="number not there"),
            pytest.param("01xx", "", "there is no run '01xx'", id="prefix not there"),
            pytest.param("%%%%", "", "there is no run '%%%%'", id="wildcards are letters"),
            pytest.param("last", "absent", "there is no run yet of absent", id="no run of a repository"),
        ],
    )
    def test_not_finding(self, records: Records, reference: str, repository: str, message: str) -> None:
        records.create_run(run(1), plan())
        records.create_run(run(2, repository="other"), plan())
        with pytest.raises(NotFoundError, match=message) as caught:
            records.find_run(reference, repository=repository)
        assert caught.value.hint

    def test_listing_filters_and_puts_the_newest_first(self, records: Records) -> None:
        records.create_run(run(1), plan("a"))
        records.create_run(run(2, branch="x"), plan())
        records.create_run(run(3, state=RunState.DONE, conclusion=Conclusion.FAILED), plan())
        records.create_run(run(4, repository="other"), plan())

        def ids(chosen: RunFilter) -> list[str]:
            return [item.id for item in records.runs(chosen)]

        assert ids(RunFilter()) == [ulid(n) for n in (4, 3, 2, 1)]
        assert ids(RunFilter(repository="shop", limit=2)) == [ulid(3), ulid(2)]
        assert ids(RunFilter(branch="x")) == [ulid(2)]
        assert ids(RunFilter(state=RunState.DONE)) == [ulid(3)]
        assert ids(RunFilter(conclusion=Conclusion.FAILED)) == [ulid(3)]

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param(lambda records: records.update_run("absent", state=RunState.DONE), id="update"),
            pytest.param(lambda records: records.save_stage("absent", StageRun(name="a", kind="run")), id="stage"),
            pytest.param(lambda records: records.plan("absent"), id="plan"),
        ],
    )
    def test_an_unknown_run_is_not_found(self, records: Records, call: Callable[[Records], object]) -> None:
        with pytest.raises(NotFoundError, match="there is no run 'absent'"):
            call(records)


class TestStages:
    def test_a_stage_comes_back_whole_with_every_attempt(self, records: Records) -> None:
        records.create_run(run(1), plan("a"))
        stage = finished("a", FAILED_ATTEMPT, GOOD_ATTEMPT)
        records.save_stage(ulid(1), stage)
        found = records.find_run(ulid(1)).stage("a")
        assert found == stage
        assert found.flaky

    def test_saving_again_replaces_and_keeps_the_order(self, records: Records) -> None:
        records.create_run(run(1), plan("a", "b"))
        records.save_stage(ulid(1), finished("a", FAILED_ATTEMPT, GOOD_ATTEMPT))
        records.save_stage(ulid(1), finished("emitted"))
        records.save_stage(ulid(1), finished("a", FAILED_ATTEMPT))
        found = records.find_run(ulid(1))
        assert [stage.name for stage in found.stages] == ["a", "b", "emitted"]
        assert found.stage("a").attempts == (FAILED_ATTEMPT,)

    def test_an_attempt_that_was_under_way_ends_with_what_it_left(self, records: Records) -> None:
        records.create_run(run(1), plan("a"))
        begun = Attempt(number=2, started=NOON, layer="sha256:layer")
        running = StageRun(name="a", kind="run", state=StageState.RUNNING, started=NOON)
        for attempts in ((), (FAILED_ATTEMPT,), (FAILED_ATTEMPT, begun)):
            records.save_stage(ulid(1), replace(running, attempts=attempts))
            assert records.find_run(ulid(1)).stage("a").attempts == attempts
        ended = finished("a", FAILED_ATTEMPT, GOOD_ATTEMPT)
        for _ in range(2):
            records.save_stage(ulid(1), ended)
            assert records.find_run(ulid(1)).stage("a") == ended

    def test_attempts_that_are_taken_back_go(self, records: Records) -> None:
        records.create_run(run(1), plan("a"))
        running = StageRun(name="a", kind="run", state=StageState.RUNNING, started=NOON)
        records.save_stage(ulid(1), replace(running, attempts=(FAILED_ATTEMPT, Attempt(number=2, started=NOON))))
        records.save_stage(ulid(1), StageRun(name="a", kind="run"))
        assert records.find_run(ulid(1)).stage("a") == StageRun(name="a", kind="run")

    def test_a_report_without_tests_is_kept_apart_from_no_report(self, records: Records) -> None:
        records.create_run(run(1), plan("a"))
        empty = replace(GOOD_ATTEMPT, products=Products(tests=TestReport()))
        records.save_stage(ulid(1), finished("a", FAILED_ATTEMPT, empty))
        first, second = records.find_run(ulid(1)).stage("a").attempts
        assert first.products.tests is None
        assert second.products.tests == TestReport()

    def test_lists_leave_products_out(self, records: Records) -> None:
        records.create_run(run(1), plan("a"))
        records.save_stage(ulid(1), finished("a", FAILED_ATTEMPT, GOOD_ATTEMPT))
        (listed,) = records.runs(RunFilter())
        assert [attempt.number for attempt in listed.stage("a").attempts] == [1, 2]
        assert listed.stage("a").products == Products()
        assert listed.stage("a").conclusion is Conclusion.SUCCEEDED

    @pytest.mark.parametrize(
        ("text", "stored"),
        [
            pytest.param("a\0b", "a�b", id="nul"),
            pytest.param("a\udc80b", "a�b", id="a byte that was no text"),
            pytest.param("'; DROP TABLE runs; --", "'; DROP TABLE runs; --", id="SQL"),
            pytest.param("☕🚢", "☕🚢", id="beyond the basic plane"),
        ],
    )
    def test_text_of_programs_may_hold_anything(self, records: Records, text: str, stored: str) -> None:
        records.create_run(run(1), plan("a"))
        case = TestCase(suite=text, classname="", name=text, status=TestStatus.FAILED, details=text)
        products = Products(tests=TestReport(cases=(case,)), outputs={"OUT": text})
        records.save_stage(ulid(1), finished("a", replace(GOOD_ATTEMPT, products=products)))
        found = records.find_run(ulid(1)).stage("a").products
        assert found.tests == TestReport(cases=(replace(case, suite=stored, name=stored, details=stored),))
        assert found.outputs == {"OUT": text}

    def test_blobs_that_are_named(self, records: Records) -> None:
        records.create_run(run(1), plan("a"))
        records.save_stage(ulid(1), finished("a", replace(FAILED_ATTEMPT, log=""), GOOD_ATTEMPT))
        assert records.referenced_blobs() == {"sha256:a", "sha256:b", "sha256:log2"}

    def test_median_seconds_of_the_latest_succeeded_stages(self, records: Records) -> None:
        for number, seconds in enumerate([1000.0, 1.0, 2.0, 9.0], start=1):
            records.create_run(run(number), plan("a", "b"))
            records.save_stage(ulid(number), finished("a", seconds=seconds))
            records.save_stage(ulid(number), replace(finished("b"), outcome=failed("exit 1")))
        records.create_run(run(5, repository="other"), plan("a"))
        records.save_stage(ulid(5), finished("a", seconds=5000))
        assert records.stage_seconds("shop", runs=3) == {"a": 2.0}
        assert records.stage_seconds("shop") == {"a": 5.5}
        assert records.stage_seconds("absent") == {}


class TestReleases:
    def test_a_release_comes_back_whole_and_is_kept_once(self, records: Records) -> None:
        records.save_release(release(), actor="anna")
        records.save_release(release("another name of the same bytes"), actor="bob")
        assert records.releases() == [release()]
        (entry,) = records.ledger()
        assert (entry.action, entry.subject, entry.actor) == ("release.sealed", release().id, "anna")

    def test_finding(self, records: Records) -> None:
        old, new = release("same"), release("same", image="2", at=LATER)
        records.save_release(old)
        records.save_release(new)
        assert records.find_release(old.id) == old
        assert records.find_release("same") == new
        assert records.find_release(old.id[7:19]) == old
        assert records.find_release(new.id[:20]) == new

    @pytest.mark.parametrize("reference", ["absent", "ff", "", "sha256:", "%%%%"])
    def test_not_finding(self, records: Records, reference: str) -> None:
        records.save_release(release())
        with pytest.raises(NotFoundError, match=f"there is no release '{reference}'"):
            records.find_release(reference)

    def test_listing(self, records: Records) -> None:
        other = release("other", repository="other", at=LATER)
        records.save_release(other)
        records.save_release(release())
        assert records.releases() == [other, release()]
        assert records.releases(repository="shop") == [release()]
        assert records.releases(limit=1) == [other]

    def test_page_by_page(self, records: Records) -> None:
        times = [NOON, NOON, NOON, LATER]
        made = [replace(release(at=time), commit=f"4f1c0d{number}") for number, time in enumerate(times)]
        for known in made:
            records.save_release(known)
        whole = records.releases()
        assert len({item.id for item in whole}) == len(made)
        seen, last = [], ""
        while page := records.releases(repository="shop", limit=2, before=last):
            seen += page
            last = page[-1].id
        assert seen == whole
        assert records.releases(before="sha256:nobody") == []


class TestPromotions:
    def test_a_promotion_and_its_entry_are_stored_together(self, records: Records) -> None:
        records.save_release(release())
        planned = promotion(release())
        first = records.save_promotion(planned, actor="anna", action="planned", data={"why": "push"})
        deployed = replace(
            planned,
            state=PromotionState.DEPLOYED,
            finished=LATER,
            detail="2 of 2 checks passed",
            gap=0.25,
            measurements=PRODUCTS.measurements,
        )
        second = records.save_promotion(deployed, actor="ecluse", action="deployed", data={"seconds": 1.5})
        assert records.promotions() == [deployed]
        sealed, *others = records.ledger()
        assert others == [first, second]
        assert (sealed.seq, sealed.previous) == (1, GENESIS)
        assert (first.seq, first.previous, second.seq, second.previous) == (2, sealed.hash, 3, first.hash)
        assert (second.actor, second.action, second.subject, second.reason, second.time) == (
            "ecluse",
            "deployed",
            deployed.id,
            "run 41",
            LATER,
        )
        assert second.data["seconds"] == "1.5"
        assert verify(records.ledger()) is None

    def test_an_entry_tells_enough_to_rebuild_the_tables(self, records: Records) -> None:
        records.save_release(release())
        entry = records.save_promotion(promotion(release()), actor="anna", action="planned", data={})
        told, of = entry.data["promotion"], entry.data["release"]
        assert isinstance(told, dict)
        assert isinstance(of, dict)
        assert (told["id"], told["state"], of["images"]) == (ulid(1), "planned", dict(release().images))

    def test_a_promotion_of_an_unknown_release_leaves_no_entry(self, records: Records) -> None:
        with pytest.raises(RecordsError, match="a release that is not recorded"):
            records.save_promotion(promotion(release()), actor="anna", action="planned", data={})
        assert records.ledger() == []
        assert records.promotions() == []

    def test_words_that_no_database_holds_do_not_break_the_chain(self, records: Records) -> None:
        records.save_release(release())
        records.save_promotion(
            promotion(release(), reason="nul\0 and \udc80"), actor="a\0", action="planned", data={"x\0": ["\udc80"]}
        )
        assert verify(records.ledger()) is None

    def test_listing(self, records: Records) -> None:
        mine, other = release(), release("other", repository="other")
        for known in (mine, other):
            records.save_release(known)
        made = [promotion(mine, 1), promotion(mine, 2, environment="prod"), promotion(other, 3)]
        for item in made:
            records.save_promotion(item, actor="anna", action="planned", data={})
        one, two, three = made
        assert records.promotions() == [three, two, one]
        assert records.promotions(environment="dev") == [three, one]
        assert records.promotions(repository="shop") == [two, one]
        assert records.promotions(release=other.id) == [three]
        assert records.promotions(limit=1) == [three]
        assert records.promotions(limit=1, before=three.id) == [two]
        assert records.promotions(repository="shop", before=two.id) == [one]
        assert records.promotions(before=one.id) == []

    def test_the_ledger_in_pages(self, records: Records) -> None:
        records.save_release(release())
        for number in range(1, 6):
            records.save_promotion(promotion(release(), number), actor="anna", action="planned", data={})
        assert [entry.seq for entry in records.ledger(limit=2)] == [1, 2]
        assert [entry.seq for entry in records.ledger(after=3)] == [4, 5, 6]
        assert verify(records.ledger(after=3), previous=records.ledger(limit=3)[-1]) is None
