"""`deploy` and `smoke` with real delivery and records over a target in memory, and what `ecluse check` says of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prepared import prepared_records
from workbench import SystemClock, Workbench, definition, stage

from pipeline.delivery.delivering import RunDelivery
from pipeline.delivery.journal import Requester
from pipeline.delivery.promoter import Promoter
from pipeline.delivery.secrets import secrets_of
from pipeline.diagnostic import Position
from pipeline.engine.context import AttemptContext
from pipeline.engine.course import Course
from pipeline.engine.masking import Masker
from pipeline.engine.stage_log import AttemptLog
from pipeline.errors import MonitoringError, UsageError
from pipeline.model.definition import EnvironmentDefinition, StageDefinition
from pipeline.model.gate import Verdict
from pipeline.model.outcome import Effect
from pipeline.model.plan import PlannedStage
from pipeline.model.run import Products, PushedImage, Run
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, PromotionState, RunState
from pipeline.ports.monitoring import CheckResult
from pipeline.ports.stage import StageResult
from pipeline.records.sql import SqlRecords
from pipeline.settings import Settings
from pipeline.targets.scripted import Place, ScriptedTarget
from stages.deploy import KIND as DEPLOY
from stages.smoke import KIND as SMOKE

HERE = Position(file="pipeline.yml", line=9, column=3)
DEV = EnvironmentDefinition(name="dev", position=HERE, supervision=({"kept": {}},))
COMMIT = Commit(sha="c" * 40, message="", author="anna", time=datetime(2026, 1, 1, tzinfo=UTC))


def pushed(digit: str) -> Products:
    return Products(pushed=PushedImage(repository="registry/shop", digest=f"sha256:{digit * 64}", tags=("1",)))


@dataclass
class Kept:
    """A supervision server in memory."""

    name: str = "kept"
    results: list[CheckResult] = field(default_factory=list)
    broken: bool = False

    def publish(self, results: tuple[CheckResult, ...]) -> None:
        if self.broken:
            raise MonitoringError("kept: it is broken", hint="mend it")
        self.results += results


class Shop:
    """An installation with one environment; each `job` is a run with a push, a deploy and its smoke stages."""

    def __init__(self, home: Path, environment: EnvironmentDefinition = DEV) -> None:
        self.home = home
        self.environment = environment
        self.place = Place()
        self.sink = Kept()
        self.records = SqlRecords(prepared_records(home))
        self.log = ""

    def delivery(self, run: str) -> RunDelivery:
        facts = Run(
            id=run, number=1, repository="shop", pipeline="shop", commit=COMMIT.sha, message="", author="anna",
            branch="main", tag="", event="push", actor="anna", dirty=False, plan_digest="sha256:0",
            state=RunState.RUNNING, created=COMMIT.time,
        )  # fmt: skip
        settings, clock = Settings(home=self.home), SystemClock()
        event = Event(kind=facts.event, branch=facts.branch)

        def target(environment: EnvironmentDefinition) -> ScriptedTarget:
            return ScriptedTarget(environment, place=self.place)

        promoter = Promoter(
            requester=Requester(actor="anna", repository="shop", service="shop", run=run),
            records=lambda: self.records,
            target=target,
            judge=lambda _: Verdict(answers=(), time=clock.now()),
            clock=clock,
            home=self.home,
            installation=settings.installation,
        )
        return RunDelivery(
            run=facts,
            pipeline_digest="sha256:0",
            promoter=promoter,
            records=lambda: self.records,
            target=target,
            secrets=lambda environment: secrets_of(environment, event, secrets=Nothing(), settings=settings),
            clock=clock,
        )

    def run(
        self,
        own: StageDefinition,
        delivery: RunDelivery,
        *others: StageDefinition,
        image: str = "a",
        since: datetime | None = None,
    ) -> StageResult:
        """One attempt of one stage in a plan with the others; one that began at `since` is taken up."""
        source = Source(path="shop", origin="", commit=COMMIT)
        before = {"push": (stage("push", "push"), pushed(image))}
        bench = Workbench(self.home, source, own, before=before)
        scope = bench.context._scope
        plan = replace(
            scope.plan,
            stages=tuple(PlannedStage(stage=item) for item in (before["push"][0], own, *others)),
            environments=(self.environment,),
        )
        scope = replace(
            scope, course=Course(plan), delivery=lambda: delivery, sinks=lambda _: (self.sink,) if _.supervision else ()
        )
        written = bytearray()
        log = AttemptLog(
            self.home / "runs" / f"{own.name}-{time.monotonic_ns()}.log", masker=Masker(), follower=written.extend,
            limit=1 << 20,
        )  # fmt: skip
        context = AttemptContext(
            scope, own, attempt=1, log=log, cancel=bench.cancel, running=lambda: None, collecting=lambda: None
        )
        try:
            kind = DEPLOY if own.kind == "deploy" else SMOKE
            found = kind.recover(context, since=since) if since is not None else None
            return found or kind.run(context)
        finally:
            log.flush()
            self.log += written.decode()

    def states(self) -> list[PromotionState]:
        return [item.state for item in self.records.promotions(environment="dev")]


@dataclass
class Nothing:
    def get(self, name: str, *, environment: str = "") -> str | None:
        return None


DEPLOY_DEV = stage("deploy", "deploy", needs=("push",), environment="dev")
SMOKE_DEV = stage("smoke", "smoke", needs=("deploy",), environment="dev", checks=[{"command": "works"}])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.records.close()


def test_a_deploy_without_smoke_is_final(shop: Shop) -> None:
    result = shop.run(DEPLOY_DEV, shop.delivery("r1"))
    assert result.outcome.conclusion is Conclusion.SUCCEEDED
    assert result.outcome.reason == "release 1-cccccccccccc serves in dev"
    assert shop.states() == [PromotionState.DEPLOYED]
    assert result.products.promotion == shop.records.promotions()[0].id


def test_a_smoke_stage_makes_it_final_and_tells_supervision(shop: Shop) -> None:
    delivery = shop.delivery("r1")
    shop.run(DEPLOY_DEV, delivery, SMOKE_DEV)
    assert shop.states() == [PromotionState.VERIFYING]
    result = shop.run(SMOKE_DEV, delivery, DEPLOY_DEV)
    assert (result.outcome.conclusion, result.outcome.reason) == (Conclusion.SUCCEEDED, "1 check passed")
    assert shop.states() == [PromotionState.DEPLOYED]
    assert [item.passed for item in result.products.measurements] == [True]
    (told,) = shop.sink.results
    assert (told.service, told.environment, told.check, told.level) == ("shop", "dev", "command works", "ok")
    assert told.release == result.products.release


def test_a_failing_smoke_goes_back_and_says_so(shop: Shop) -> None:
    first = shop.delivery("r1")
    shop.run(DEPLOY_DEV, first, SMOKE_DEV)
    shop.run(SMOKE_DEV, first, DEPLOY_DEV)
    second = shop.delivery("r2")
    shop.run(DEPLOY_DEV, second, SMOKE_DEV, image="b")
    shop.place.commands = lambda _: (1, "no")
    result = shop.run(SMOKE_DEV, second, DEPLOY_DEV, image="b")
    assert (result.outcome.conclusion, result.outcome.effect) == (Conclusion.FAILED, Effect.ROLLED_BACK)
    reason = "command works: exit 1 (no), wants exit 0 (1 of 1 checks failed); the old version serves again"
    assert result.outcome.reason == reason
    assert shop.states() == [PromotionState.ROLLED_BACK, PromotionState.DEPLOYED]
    assert [item.image[-1] for item in shop.place.instances if item.serving] == ["a"]
    assert shop.sink.results[-1].level == "critical"


def test_a_check_that_cannot_be_made_is_errored_but_verifies_nothing(shop: Shop) -> None:
    delivery = shop.delivery("r1")
    shop.run(DEPLOY_DEV, delivery, SMOKE_DEV)
    shop.place.commands = lambda _: (127, "works: not found")
    result = shop.run(SMOKE_DEV, delivery, DEPLOY_DEV)
    assert result.outcome.conclusion is Conclusion.ERRORED
    assert "could not be made" in result.outcome.reason
    assert shop.states() == [PromotionState.FAILED]


def test_a_broken_sink_is_said_and_changes_nothing(shop: Shop) -> None:
    shop.sink.broken = True
    delivery = shop.delivery("r1")
    shop.run(DEPLOY_DEV, delivery, SMOKE_DEV)
    result = shop.run(SMOKE_DEV, delivery, DEPLOY_DEV)
    assert result.outcome.conclusion is Conclusion.SUCCEEDED
    assert "not told: kept: it is broken (mend it)" in shop.log


def test_of_two_smoke_stages_only_the_last_is_final(shop: Shop) -> None:
    last = replace(SMOKE_DEV, name="later", needs=stage("x", "smoke", needs=("smoke",)).needs)
    delivery = shop.delivery("r1")
    shop.run(DEPLOY_DEV, delivery, SMOKE_DEV, last)
    shop.run(SMOKE_DEV, delivery, DEPLOY_DEV, last)
    assert shop.states() == [PromotionState.VERIFYING]
    shop.run(last, delivery, DEPLOY_DEV, SMOKE_DEV)
    assert shop.states() == [PromotionState.DEPLOYED]


def test_the_environments_own_verification_runs_with_the_deploy(tmp_path: Path) -> None:
    shop = Shop(tmp_path, replace(DEV, verification=({"command": "works"},)))
    assert shop.run(DEPLOY_DEV, shop.delivery("r1")).outcome.conclusion is Conclusion.SUCCEEDED
    assert shop.states() == [PromotionState.DEPLOYED]
    shop.place.commands = lambda _: (1, "no")
    result = shop.run(DEPLOY_DEV, shop.delivery("r2"), image="b")
    assert (result.outcome.conclusion, result.outcome.effect) == (Conclusion.FAILED, Effect.ROLLED_BACK)
    assert shop.states() == [PromotionState.ROLLED_BACK, PromotionState.DEPLOYED]


def test_a_deploy_that_had_ended_before_its_process_was_killed_is_not_done_again(shop: Shop) -> None:
    began = datetime.now(UTC)
    first = shop.run(DEPLOY_DEV, shop.delivery("r1"))
    again = shop.run(DEPLOY_DEV, shop.delivery("r1"), since=began)
    assert (again.outcome.conclusion, again.products) == (first.outcome.conclusion, first.products)
    assert shop.states() == [PromotionState.DEPLOYED]


def test_a_deploy_that_was_killed_half_way_goes_on_with_its_promotion(shop: Shop) -> None:
    began = datetime.now(UTC)
    killed = shop.delivery("r1")
    shop.run(DEPLOY_DEV, killed, SMOKE_DEV)
    for active in killed._active.values():
        active.lease.release()  # as the kernel does for a process that is killed
    resumed = shop.delivery("r1")
    result = shop.run(DEPLOY_DEV, resumed, SMOKE_DEV, since=began)
    assert result.outcome.conclusion is Conclusion.SUCCEEDED
    assert shop.states() == [PromotionState.VERIFYING], "the same promotion, not a second one"
    assert shop.run(SMOKE_DEV, resumed, DEPLOY_DEV).outcome.conclusion is Conclusion.SUCCEEDED
    assert shop.states() == [PromotionState.DEPLOYED]


def test_a_deploy_that_had_failed_keeps_its_verdict(shop: Shop) -> None:
    shop.run(DEPLOY_DEV, shop.delivery("r1"))
    shop.place.unfit["registry/shop@sha256:" + "b" * 64] = "it ended with exit 3"
    began = datetime.now(UTC)
    shop.run(DEPLOY_DEV, shop.delivery("r2"), image="b")
    again = shop.run(DEPLOY_DEV, shop.delivery("r2"), image="b", since=began)
    assert (again.outcome.conclusion, again.outcome.effect) == (Conclusion.FAILED, Effect.ROLLED_BACK)
    assert len(shop.states()) == 2


def test_a_new_attempt_does_not_take_the_verdict_of_an_earlier_one(shop: Shop) -> None:
    shop.run(DEPLOY_DEV, shop.delivery("r1"))
    broken = "registry/shop@sha256:" + "b" * 64
    shop.place.unfit[broken] = "it ended with exit 3"
    shop.run(DEPLOY_DEV, shop.delivery("r2"), image="b")
    del shop.place.unfit[broken]
    retried = shop.run(DEPLOY_DEV, shop.delivery("r2"), image="b", since=datetime.now(UTC))
    assert retried.outcome.conclusion is Conclusion.SUCCEEDED
    assert shop.states()[0] is PromotionState.DEPLOYED


@pytest.mark.parametrize(
    ("code", "conclusion", "effect"),
    [
        pytest.param(0, Conclusion.SUCCEEDED, Effect.NONE, id="verified"),
        pytest.param(1, Conclusion.FAILED, Effect.ROLLED_BACK, id="rolled-back"),
    ],
)
def test_a_smoke_that_had_ended_its_promotion_does_not_ask_again(
    shop: Shop, code: int, conclusion: Conclusion, effect: Effect
) -> None:
    shop.run(DEPLOY_DEV, shop.delivery("r0"))
    delivery = shop.delivery("r1")
    shop.run(DEPLOY_DEV, delivery, SMOKE_DEV, image="b")
    shop.place.commands = lambda _: (code, "said")
    began = datetime.now(UTC)
    shop.run(SMOKE_DEV, delivery, DEPLOY_DEV, image="b")
    told, states = len(shop.sink.results), shop.states()
    shop.place.commands = lambda _: (1 - code, "now otherwise")
    again = shop.run(SMOKE_DEV, shop.delivery("r1"), DEPLOY_DEV, image="b", since=began)
    assert (again.outcome.conclusion, again.outcome.effect) == (conclusion, effect)
    assert (len(shop.sink.results), shop.states()) == (told, states)


def test_a_parked_run_leaves_its_promotion_waiting_and_its_environment_free(shop: Shop) -> None:
    delivery = shop.delivery("r1")
    shop.run(DEPLOY_DEV, delivery, SMOKE_DEV)
    delivery.close(parked=True)
    assert shop.states() == [PromotionState.VERIFYING]
    result = shop.run(SMOKE_DEV, shop.delivery("r1"), DEPLOY_DEV)
    assert result.outcome.conclusion is Conclusion.SUCCEEDED
    assert shop.states() == [PromotionState.DEPLOYED]


def test_a_version_that_does_not_start_rolls_back(shop: Shop) -> None:
    shop.run(DEPLOY_DEV, shop.delivery("r1"))
    shop.place.unfit["registry/shop@sha256:" + "b" * 64] = "it ended with exit 3\nTraceback"
    result = shop.run(DEPLOY_DEV, shop.delivery("r2"), SMOKE_DEV, image="b")
    assert (result.outcome.conclusion, result.outcome.effect) == (Conclusion.FAILED, Effect.ROLLED_BACK)
    assert result.outcome.reason == "it ended with exit 3; the old version serves"
    assert "Traceback" in shop.log


def test_a_deploy_of_nothing_is_refused(shop: Shop) -> None:
    with pytest.raises(UsageError, match="has nothing to deploy"):
        shop.run(replace(DEPLOY_DEV, needs=()), shop.delivery("r1"))


PUSH = stage("push", "push")
OTHER = stage("other", "push")


@pytest.mark.parametrize(
    ("stages", "codes"),
    [
        pytest.param([PUSH, DEPLOY_DEV, SMOKE_DEV], [], id="good"),
        pytest.param([replace(DEPLOY_DEV, needs=())], ["deploy-without-push"], id="nothing-pushed"),
        pytest.param([PUSH, replace(DEPLOY_DEV, needs=())], ["deploy-without-push"], id="push-not-needed"),
        pytest.param(
            [PUSH, stage("d", "deploy", needs=("push",), environment="dev", images=["nope"])],
            ["not-a-push"],
            id="unknown-image",
        ),
        pytest.param(
            [PUSH, OTHER, stage("d", "deploy", needs=("push",), environment="dev", images="other")],
            ["not-needed"],
            id="image-not-needed",
        ),
        pytest.param(
            [PUSH, OTHER, stage("d", "deploy", needs=("push", "other"), environment="dev")],
            ["which-image"],
            id="two-images",
        ),
        pytest.param([PUSH, DEPLOY_DEV, replace(SMOKE_DEV, needs=())], ["smoke-before-deploy"], id="smoke-too-early"),
        pytest.param([SMOKE_DEV], [], id="smoke-of-what-is-there"),
        pytest.param(
            [stage("smoke", "smoke", environment="dev", checks=[{"log": {"pattern": "("}}])], ["check"], id="no-pattern"
        ),
        pytest.param([PUSH, DEPLOY_DEV, SMOKE_DEV, replace(SMOKE_DEV, name="z")], ["smoke-order"], id="side-by-side"),
    ],
)
def test_what_a_file_may_not_say(stages: list[StageDefinition], codes: list[str]) -> None:
    whole = replace(definition(*stages), environments=(DEV,))
    kinds = {"deploy": DEPLOY, "smoke": SMOKE}
    found = [problem for item in stages if item.kind in kinds for problem in kinds[item.kind].problems(item, whole)]
    assert [problem.code for problem in found] == codes
    assert all(problem.note for problem in found)
