"""A promoter that is killed, or whose target fails, at every single step: what is left says what the target runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from delivery_ground import DEV, Ground, release
from faults import Fault, KilledError

from pipeline.errors import EcluseError, EngineBusyError, EngineUnreachableError, TargetError
from pipeline.model.release import PromotionKind
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.targets.scripted import ScriptedTarget

S = PromotionState
OLD, NEW, THIRD = release("a"), release("b"), release("c")
CANARY = replace(DEV, strategy=Strategy(kind=StrategyKind.CANARY, steps=(10, 50, 100)))


@dataclass(frozen=True, kw_only=True)
class Story:
    """A promotion of NEW: where, how it goes, and how it ends when nobody is killed."""

    end: PromotionState
    environment: object = DEV
    bad: bool = False
    unfit: bool = False
    first: bool = False
    kind: PromotionKind = PromotionKind.PROMOTE


STORIES = {
    "good": Story(end=S.DEPLOYED),
    "first": Story(end=S.DEPLOYED, first=True),
    "refuted": Story(end=S.ROLLED_BACK, bad=True),
    "first-refuted": Story(end=S.FAILED, bad=True, first=True),
    "unfit": Story(end=S.ROLLED_BACK, unfit=True),
    "held": Story(end=S.PARTIAL, bad=True, environment=replace(DEV, on_failure="hold")),
    "continued": Story(end=S.DEPLOYED, bad=True, environment=replace(DEV, on_failure="continue")),
    "canary": Story(end=S.DEPLOYED, environment=CANARY),
    "canary-refuted": Story(end=S.ROLLED_BACK, bad=True, environment=CANARY),
    "canary-held": Story(end=S.PARTIAL, bad=True, environment=replace(CANARY, on_failure="hold")),
    "rollback": Story(end=S.DEPLOYED, kind=PromotionKind.ROLLBACK),
}


def put_right(ground: Ground, story: Story) -> None:
    """By whoever comes next."""
    if ground.history():
        ground.put_right()


def resume(ground: Ground, story: Story) -> None:
    """By somebody who takes it up where it was left."""
    left = next((item for item in ground.history() if PROMOTION_MOVES[item.state]), None)
    if left is not None:
        ground.promote(NEW, promotion=left.id, actor="olga", kind=story.kind)


def promote_another(ground: Ground, story: Story) -> None:
    """By a promotion of another release."""
    assert ground.promote(THIRD, actor="olga").state is S.DEPLOYED
    assert ground.live() == {THIRD.id}


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Story], Ground]:
    """A ground with OLD live (or nothing, for a first deployment), made once and copied for each use."""
    made: dict[bool, Ground] = {}

    def ground(story: Story) -> Ground:
        if story.first not in made:
            home = tmp_path_factory.mktemp("template")
            template = made[story.first] = Ground(home=home)
            template.records.save_release(OLD)
            if not story.first:
                assert template.promote(OLD).state is S.DEPLOYED
        fresh = made[story.first].copy(tmp_path_factory.mktemp("ground") / "home")
        fresh.environment = story.environment  # type: ignore[assignment]
        fresh.unfit = frozenset({NEW.commit} if story.bad else ())
        if story.unfit:
            fresh.place.unfit[NEW.images["push"]] = "it ended with exit 3"
        return fresh

    return ground


def steps_of(ground: Ground, story: Story) -> list[str]:
    """Every write of the promotion when nothing happens to it."""
    watch = Fault()
    ended = ground.promote(NEW, fault=watch, kind=story.kind)
    assert ended.state is story.end, ended.detail
    assert_honest(ground)
    return watch.steps


def assert_honest(ground: Ground) -> None:
    """All is ended, the ledger holds, and what it says is live is all that serves."""
    history = ground.history()
    assert [item for item in history if item.state in (S.LOCKED, S.ROLLING_OUT, S.VERIFYING)] == []
    assert ground.holds()
    newest = history[0] if history else None
    if newest is not None and newest.state is S.PARTIAL:
        assert newest.release in ground.live()
    else:
        assert ground.live() == ({ground.claimed()} - {""}), [(item.state, item.detail) for item in history]


@pytest.mark.parametrize(
    ("name", "recover"),
    [
        *(pytest.param(name, put_right, id=f"{name}-next") for name in STORIES),
        *(pytest.param(name, resume, id=f"{name}-resumed") for name in ("good", "refuted", "canary", "rollback")),
        *(pytest.param(name, promote_another, id=f"{name}-another") for name in ("good", "canary-refuted")),
    ],
)
def test_killed_at_every_step(
    grounds: Callable[[Story], Ground], name: str, recover: Callable[[Ground, Story], None]
) -> None:
    story = STORIES[name]
    steps = steps_of(grounds(story), story)
    assert len(steps) >= 8
    for at in range(1, len(steps) + 1):
        ground = grounds(story)
        with pytest.raises(KilledError):
            ground.promote(NEW, fault=Fault(at=at), kind=story.kind)
        recover(ground, story)
        try:
            assert_honest(ground)
        except AssertionError as error:
            raise AssertionError(f"killed before step {at} of {steps}: {error}") from error
        ground.records.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", list(STORIES))
def test_the_target_fails_at_every_step(grounds: Callable[[Story], Ground], name: str, after: bool) -> None:
    story = STORIES[name]
    steps = steps_of(grounds(story), story)
    for at, step in enumerate(steps, start=1):
        if step not in ("roll_out", "shift", "confirm", "roll_back"):
            continue
        ground = grounds(story)
        fault = Fault(at=at, after=after, error=TargetError("the engine fell over"))
        try:
            ground.promote(NEW, fault=fault, kind=story.kind)
        except EcluseError as error:
            assert "the engine fell over" in error.message  # noqa: PT017 - it may also end by itself
        assert_honest(ground)
        ground.records.close()


class ShuttingDown(ScriptedTarget):
    """An engine that is being stopped: it has stopped the old version, and then answers with errors to all that
    changes something. `answers` is what it says to the way back, one after the other; then it is as it was."""

    answers: ClassVar[list[Exception]] = []

    def roll_out(self, order: Any, **more: Any) -> Any:
        self._place.instances[:] = [replace(item, serving=False) for item in self._place.instances]
        raise EngineBusyError("cannot start the new one: shutting down")

    def roll_back(self, *words: Any, **more: Any) -> Any:
        if self.answers:
            raise self.answers.pop(0)
        return ScriptedTarget.roll_back(self, *words, **more)


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        pytest.param([], S.ROLLED_BACK, id="at-once"),
        pytest.param([EngineBusyError("still shutting down")], S.ROLLED_BACK, id="tried-again"),
        pytest.param([TargetError("never again")], S.FAILED, id="it-cannot-be-done"),
    ],
)
def test_an_old_version_that_was_stopped_serves_again_after_an_error(
    grounds: Callable[[Story], Ground], answers: list[Exception], state: PromotionState
) -> None:
    ground = grounds(STORIES["good"])
    ground.target_kind = type("Target", (ShuttingDown,), {"answers": list(answers)})
    with pytest.raises(EngineBusyError, match="cannot start the new one"):
        ground.promote(NEW)
    assert ground.history()[0].state is state
    assert ground.live() == (set() if state is S.FAILED else {OLD.id})


def test_nothing_is_claimed_of_an_engine_that_goes_while_it_is_gone_back(grounds: Callable[[Story], Ground]) -> None:
    class Gone(ShuttingDown):
        answers: ClassVar[list[Exception]] = [EngineBusyError("still shutting down"), EngineUnreachableError("gone")]

        def observe(self) -> Any:
            if not self.answers and not any(item.serving for item in self._place.instances):
                raise EngineUnreachableError("gone")
            return ScriptedTarget.observe(self)

    ground = grounds(STORIES["good"])
    ground.target_kind = Gone
    with pytest.raises(EngineUnreachableError):
        ground.promote(NEW)
    assert ground.history()[0].state is S.ROLLING_OUT
    ground.target_kind = ScriptedTarget
    ground.put_right()
    assert_honest(ground)
    assert ground.live() == {OLD.id}


def test_a_canary_of_what_serves_already_is_deployed(grounds: Callable[[Story], Ground]) -> None:
    ground = grounds(STORIES["canary"])
    ended = ground.promote(OLD)
    assert (ended.state, ground.live()) == (S.DEPLOYED, {OLD.id}), ended.detail
