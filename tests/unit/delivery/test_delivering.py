"""Promotions of a run over a target in memory, with real records: states, ledger, and what killed runs leave."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prepared import prepared_records

from pipeline.delivery.admission import Question
from pipeline.delivery.delivering import RunDelivery
from pipeline.delivery.journal import Requester
from pipeline.delivery.lock import EnvironmentLock
from pipeline.delivery.promoter import Promoter
from pipeline.delivery.secrets import secrets_of
from pipeline.diagnostic import Position
from pipeline.errors import CancelledError, ParkedError, RefusedError, SecretError, TargetError, UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import GateAnswer, GateState, Verdict
from pipeline.model.release import Measurement, Promotion
from pipeline.model.run import Run
from pipeline.model.source import Event
from pipeline.model.status import PromotionState, RunState
from pipeline.ports.cancellation import Cancellation
from pipeline.records.sql import SqlRecords
from pipeline.settings import Settings
from pipeline.targets.scripted import GAP, Place, ScriptedTarget

S = PromotionState
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OLD, NEW = ({"push": f"registry/shop@sha256:{digit * 64}"} for digit in "ab")
DEV = EnvironmentDefinition(name="dev", position=Position(file="pipeline.yml", line=9, column=3))
BAD = Measurement(check="http /", passed=False, seen="status 500", wanted="200", time=NOW)
GOOD = replace(BAD, passed=True, seen="status 200")


class Ticking:
    """A clock that goes on by a second at each look."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


@dataclass
class Known:
    values: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str, *, environment: str = "") -> str | None:
        return self.values.get(name)


@dataclass
class Ground:
    """One installation with one environment; `delivery` makes that of a run."""

    home: Path
    records: SqlRecords
    clock: Ticking = field(default_factory=Ticking)
    place: Place = field(default_factory=Place)
    secrets: Known = field(default_factory=Known)
    said: list[str] = field(default_factory=list)
    answers: tuple[GateAnswer, ...] = ()
    """What the gates say."""

    def judge(self, question: Question) -> Verdict:
        return Verdict(answers=self.answers, time=self.clock.time, override=question.override)

    def target(self, environment: EnvironmentDefinition) -> ScriptedTarget:
        return ScriptedTarget(environment, place=self.place)

    def delivery(self, name: str = "r1", *, dirty: bool = False) -> RunDelivery:
        run, settings = a_run(name, dirty=dirty), Settings(home=self.home)
        event = Event(kind=run.event, branch=run.branch)
        promoter = Promoter(
            requester=Requester(actor=run.actor, repository=run.repository, service=run.pipeline, run=run.id),
            records=lambda: self.records,
            target=self.target,
            judge=self.judge,
            clock=self.clock,
            home=self.home,
            installation=settings.installation,
        )
        return RunDelivery(
            run=run,
            pipeline_digest="sha256:pipeline",
            promoter=promoter,
            records=lambda: self.records,
            target=self.target,
            secrets=lambda environment: secrets_of(environment, event, secrets=self.secrets, settings=settings),
            clock=self.clock,
        )

    def deploy(
        self,
        delivery: RunDelivery,
        images: Mapping[str, str] = NEW,
        *,
        environment: EnvironmentDefinition = DEV,
        later: bool = False,
        cancel: Cancellation | None = None,
    ) -> Promotion:
        return delivery.deploy(
            environment,
            images=images,
            name="1-abc",
            verified_later=later,
            timeout=5,
            progress=self.said.append,
            cancel=cancel or Cancellation(),
        )

    def live(self) -> list[str]:
        return [item.image for item in self.place.instances if item.serving]

    def kept(self) -> int:
        return len(self.place.instances)

    def actions(self) -> list[str]:
        told = (entry.action for entry in self.records.ledger())
        return [action.removeprefix("promotion.") for action in told if action.startswith("promotion.")]

    def states(self) -> list[PromotionState]:
        return [item.state for item in self.records.promotions(environment="dev")]


def a_run(name: str, *, dirty: bool = False) -> Run:
    return Run(
        id=name,
        number=1,
        repository="https://git.example.org/shop",
        pipeline="shop",
        commit="c" * 40,
        message="",
        author="anna",
        branch="main",
        tag="",
        event="push",
        actor="anna",
        dirty=dirty,
        plan_digest="sha256:plan",
        state=RunState.RUNNING,
        created=NOW,
    )


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(home=tmp_path, records=SqlRecords(prepared_records(tmp_path)))


@pytest.fixture
def with_old(ground: Ground) -> Ground:
    """OLD is live."""
    assert ground.deploy(ground.delivery("r0"), OLD).state is S.DEPLOYED
    ground.said.clear()
    return ground


def test_a_deployment_without_checks_is_deployed_at_once(ground: Ground) -> None:
    promotion = ground.deploy(ground.delivery())
    assert (promotion.state, promotion.gap, promotion.replaces) == (S.DEPLOYED, None, "")
    assert ground.actions() == ["requested", "locked", "rolling_out", "verifying", "keeping", "deployed"]
    assert ground.live() == [NEW["push"]]
    release = ground.records.find_release(promotion.release)
    assert (release.images, release.commit, release.name) == (NEW, "c" * 40, "1-abc")


def test_the_ledger_says_what_ran_where(with_old: Ground) -> None:
    promotion = with_old.deploy(with_old.delivery())
    entry = with_old.records.ledger()[-1]
    runs = entry.data["runs"]
    assert isinstance(runs, list)
    assert [item["image"] for item in runs] == [NEW["push"]]
    assert (entry.actor, entry.subject) == ("anna", promotion.id)
    assert promotion.gap == GAP


def test_the_old_one_is_kept_until_the_last_check(with_old: Ground) -> None:
    delivery = with_old.delivery()
    assert with_old.deploy(delivery, later=True).state is S.VERIFYING
    assert (with_old.live(), with_old.kept()) == ([NEW["push"]], 2)
    first = delivery.verified(DEV, (GOOD,), final=False, progress=with_old.said.append)
    assert first is not None
    assert (first.state, with_old.kept()) == (S.VERIFYING, 2)
    last = delivery.verified(DEV, (GOOD,), final=True, progress=with_old.said.append)
    assert last is not None
    assert (last.state, len(last.measurements), with_old.kept()) == (S.DEPLOYED, 2, 1)
    assert with_old.records.promotions(environment="dev")[0] == last


@pytest.mark.parametrize(
    ("on_failure", "state", "live", "kept"),
    [
        pytest.param("rollback", S.ROLLED_BACK, OLD, 1, id="rollback"),
        pytest.param("hold", S.PARTIAL, NEW, 2, id="hold"),
        pytest.param("keep", S.PARTIAL, NEW, 2, id="keep"),
        pytest.param("continue", S.DEPLOYED, NEW, 1, id="continue"),
    ],
)
def test_a_failed_check_does_what_the_environment_says(
    with_old: Ground, on_failure: str, state: PromotionState, live: Mapping[str, str], kept: int
) -> None:
    environment, delivery = replace(DEV, on_failure=on_failure), with_old.delivery()
    with_old.deploy(delivery, environment=environment, later=True)
    ended = delivery.refuted(environment, (GOOD, BAD), reason="http /: status 500", progress=with_old.said.append)
    assert ended is not None
    assert (ended.state, with_old.live(), with_old.kept()) == (state, [live["push"]], kept)
    assert "http /: status 500" in ended.detail
    assert [item.passed for item in ended.measurements] == [True, False]
    delivery.close()
    assert with_old.states()[0] is state


def test_the_first_deployment_has_nothing_to_go_back_to(ground: Ground) -> None:
    delivery = ground.delivery()
    ground.deploy(delivery, later=True)
    ended = delivery.refuted(DEV, (BAD,), reason="bad", progress=ground.said.append)
    assert ended is not None
    assert (ended.state, ground.live()) == (S.FAILED, [])
    assert "no earlier version" in ended.detail


def test_the_same_release_again_is_not_taken_away_by_a_bad_check(with_old: Ground) -> None:
    delivery = with_old.delivery()
    assert with_old.deploy(delivery, OLD, later=True).state is S.VERIFYING
    ended = delivery.refuted(DEV, (BAD,), reason="bad", progress=with_old.said.append)
    assert ended is not None
    assert (ended.state, with_old.live()) == (S.FAILED, [OLD["push"]])
    assert "the same release was live before" in ended.detail


def test_a_version_that_does_not_start_leaves_the_old_one(with_old: Ground) -> None:
    with_old.place.unfit[NEW["push"]] = "it ended with exit 3\nits log"
    ended = with_old.deploy(with_old.delivery(), later=True)
    assert (ended.state, with_old.live()) == (S.ROLLED_BACK, [OLD["push"]])
    assert ended.detail == "it ended with exit 3; the old version serves"
    assert "its log" in with_old.said


def test_a_run_that_ends_unverified_goes_back(with_old: Ground) -> None:
    delivery = with_old.delivery()
    with_old.deploy(delivery, later=True)
    delivery.close()
    assert (with_old.states()[0], with_old.live()) == (S.ROLLED_BACK, [OLD["push"]])
    delivery.close()
    assert len(with_old.states()) == 2


@pytest.mark.parametrize(
    ("state", "error", "ended"),
    [
        pytest.param(GateState.FAILED, RefusedError, S.REFUSED, id="refused"),
        pytest.param(GateState.WAITING, ParkedError, S.WAITING, id="waiting"),
    ],
)
def test_what_the_gates_do_not_let_in_changes_nothing(
    with_old: Ground, state: GateState, error: type[Exception], ended: PromotionState
) -> None:
    with_old.answers = (GateAnswer(gate="window", kind="window", state=state, reason="it is Sunday"),)
    before = len(with_old.place.orders)
    with pytest.raises(error, match="window: it is Sunday"):
        with_old.deploy(with_old.delivery())
    assert (with_old.states()[0], len(with_old.place.orders)) == (ended, before)
    verdict = with_old.records.entries(actions=("verdict",))[-1]
    assert verdict.data["answers"] == [
        {"gate": "window", "kind": "window", "state": state.value, "reason": "it is Sunday", "opens": None}
    ]


def test_what_waited_is_superseded_when_its_run_is_over_and_not_when_it_is_parked(with_old: Ground) -> None:
    with_old.answers = (GateAnswer(gate="window", kind="window", state=GateState.WAITING, reason="it is Sunday"),)
    delivery = with_old.delivery()
    with pytest.raises(ParkedError):
        with_old.deploy(delivery)
    delivery.close(parked=True)
    assert with_old.states()[0] is S.WAITING
    delivery.close()
    assert with_old.states()[0] is S.SUPERSEDED


def test_what_somebody_else_brought_in_meanwhile_is_not_brought_in_again(with_old: Ground) -> None:
    with_old.answers = (GateAnswer(gate="asked", kind="asked", state=GateState.WAITING, reason="by hand only"),)
    with pytest.raises(ParkedError):
        with_old.deploy(with_old.delivery("r1"))
    with_old.answers = ()
    other = with_old.deploy(with_old.delivery("r2"))
    orders = len(with_old.place.orders)
    assert with_old.deploy(with_old.delivery("r1")).id == other.id
    assert (with_old.states()[:2], len(with_old.place.orders)) == ([S.DEPLOYED, S.SUPERSEDED], orders)


def test_what_waits_goes_on_when_the_gates_open(with_old: Ground) -> None:
    shut = GateAnswer(gate="window", kind="window", state=GateState.WAITING, reason="it is Sunday")
    with_old.answers = (shut,)
    for _ in range(3):
        with pytest.raises(ParkedError):
            with_old.deploy(with_old.delivery())
    waiting = with_old.records.promotions(environment="dev")[0]
    assert len(with_old.records.entries(actions=("verdict",))) == 1, "the same answer again is no news"
    with_old.answers = (replace(shut, state=GateState.PASSED, reason="it is Monday"),)
    ended = with_old.deploy(with_old.delivery())
    assert (ended.id, ended.state) == (waiting.id, S.DEPLOYED)
    assert with_old.live() == [NEW["push"]]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        pytest.param(TargetError("the engine fell over"), S.ROLLED_BACK, id="error"),
        pytest.param(CancelledError("enough"), S.ROLLED_BACK, id="cancel"),
    ],
)
def test_an_error_in_the_rollout_is_recorded_and_leaves(
    with_old: Ground, error: Exception, state: PromotionState
) -> None:
    with_old.place.errors["roll_out"] = error
    with pytest.raises(type(error), match=str(error)):
        with_old.deploy(with_old.delivery(), later=True)
    assert (with_old.states()[0], with_old.live()) == (state, [OLD["push"]])
    with_old.place.errors.clear()
    assert with_old.deploy(with_old.delivery("r2")).state is S.DEPLOYED


def test_going_back_that_fails_is_said(with_old: Ground) -> None:
    delivery = with_old.delivery()
    with_old.deploy(delivery, later=True)
    with_old.place.errors["roll_back"] = TargetError("no engine")
    ended = delivery.refuted(DEV, (BAD,), reason="bad", progress=with_old.said.append)
    assert ended is not None
    assert (ended.state, ended.detail) == (S.PARTIAL, "bad; going back failed: no engine")


def test_a_run_without_a_promotion_there_verifies_nothing(with_old: Ground) -> None:
    delivery = with_old.delivery()
    assert delivery.verified(DEV, (GOOD,), final=True, progress=with_old.said.append) is None
    assert delivery.refuted(DEV, (BAD,), reason="bad", progress=with_old.said.append) is None
    assert with_old.states() == [S.DEPLOYED]


def abandon(delivery: RunDelivery) -> None:
    """What the kernel does to a killed runner: its locks are free, nothing else happens."""
    for passage in delivery._active.values():
        passage.lease.release()


def test_what_a_killed_run_left_unverified_is_taken_back_by_the_next(with_old: Ground) -> None:
    killed = with_old.delivery("killed")
    with_old.deploy(killed, NEW, later=True)
    abandon(killed)
    third = {"push": f"registry/shop@sha256:{'c' * 64}"}
    ended = with_old.deploy(with_old.delivery("next"), third)
    assert with_old.states() == [S.DEPLOYED, S.ROLLED_BACK, S.DEPLOYED]
    assert with_old.live() == [third["push"]]
    old, new = (with_old.records.promotions(environment="dev")[index].release for index in (2, 1))
    assert ended.replaces == old != new


def test_a_resumed_run_verifies_what_it_deployed(with_old: Ground) -> None:
    killed = with_old.delivery("r1")
    promotion = with_old.deploy(killed, later=True)
    abandon(killed)
    resumed = with_old.delivery("r1")
    assert with_old.deploy(resumed, later=True).id == promotion.id
    ended = resumed.verified(DEV, (GOOD,), final=True, progress=with_old.said.append)
    assert ended is not None
    assert (ended.id, ended.state) == (promotion.id, S.DEPLOYED)
    abandon(killed)
    other = with_old.delivery("r1")
    assert other.verified(DEV, (GOOD,), final=True, progress=with_old.said.append) is None


def test_two_runs_do_not_deploy_at_once(with_old: Ground) -> None:
    first, second = with_old.delivery("first"), with_old.delivery("second")
    with_old.deploy(first, later=True)
    waiting, ended = threading.Event(), threading.Event()

    def deploy() -> None:
        second.deploy(
            DEV,
            images=OLD,
            name="2-abc",
            verified_later=False,
            timeout=5,
            progress=lambda line: waiting.set() if "is being deployed to by run first" in line else None,
            cancel=Cancellation(),
        )
        ended.set()

    thread = threading.Thread(target=deploy)
    thread.start()
    assert waiting.wait(10)
    assert not ended.is_set()
    first.verified(DEV, (GOOD,), final=True, progress=with_old.said.append)
    thread.join(10)
    assert ended.is_set()
    assert with_old.live() == [OLD["push"]]


def test_waiting_for_the_environment_can_be_cancelled(tmp_path: Path) -> None:
    holder, waiter = (EnvironmentLock(tmp_path, service="shop", environment="dev") for _ in range(2))
    holder.take("run 1", progress=print, cancel=Cancellation())
    cancel = Cancellation()
    with pytest.raises(CancelledError, match="enough"):
        waiter.take("run 2", progress=lambda _: cancel.cancel("enough"), cancel=cancel)
    holder.release()
    waiter.take("run 2", progress=print, cancel=Cancellation())
    waiter.release()


def test_secrets_and_configuration_reach_the_target_and_only_it(ground: Ground) -> None:
    environment = replace(DEV, secrets=("DB",), configuration={"LEVEL": "debug"})
    with pytest.raises(SecretError, match="wants secret 'DB'"):
        ground.deploy(ground.delivery(), environment=environment)
    ground.secrets.values = {"DB": "hush-hush"}
    ground.deploy(ground.delivery(), environment=environment)
    (told,) = ground.place.orders
    assert (told.secrets, told.configuration) == ({"DB": "hush-hush"}, {"LEVEL": "debug"})
    assert "hush" not in repr(ground.records.ledger()) + repr(told)


TWO = {**NEW, "worker": f"registry/worker@sha256:{'d' * 64}"}


@pytest.mark.parametrize(
    ("images", "wanted", "runs"),
    [
        pytest.param(NEW, "", NEW["push"], id="the-only-one"),
        pytest.param(TWO, "worker", TWO["worker"], id="named"),
        pytest.param(TWO, "", "the release has 2 images", id="not-named"),
        pytest.param(TWO, "web", "which the release does not have", id="unknown"),
        pytest.param({}, "", "without images", id="none"),
        pytest.param({"push": "registry/shop:1"}, "", "not pinned by digest", id="not-pinned"),
    ],
)
def test_which_image_runs(ground: Ground, images: Mapping[str, str], wanted: str, runs: str) -> None:
    environment = replace(DEV, target={"image": wanted} if wanted else {})
    if "sha256" in runs:
        ground.deploy(ground.delivery(), images, environment=environment)
        assert ground.live() == [runs]
    else:
        with pytest.raises(UsageError, match=runs):
            ground.deploy(ground.delivery(), images, environment=environment)
        assert ground.states() == []


def test_what_somebody_wanted_to_stop_is_not_kept_although_its_checks_passed(with_old: Ground) -> None:
    delivery = with_old.delivery("r2")
    promotion = with_old.deploy(delivery, later=True)
    journal = with_old.delivery("r3")._promoter.journal
    assert journal.ask_to_stop(promotion, "bob goes back in 'dev'")
    assert not journal.ask_to_stop(promotion, "bob goes back in 'dev'")
    ended = delivery.verified(DEV, (GOOD,), final=True, progress=with_old.said.append)
    assert ended is not None
    assert (ended.state, ended.measurements) == (S.ROLLED_BACK, (GOOD,))
    assert ended.detail.startswith("bob goes back in 'dev'")
