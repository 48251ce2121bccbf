"""The lease of an environment: who has it, for how long, and that nobody writes without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from delivery_ground import DEV, INSTALLATION, Ground, release
from faults import Fault, KilledError
from workbench import SystemClock

from pipeline.delivery.fencing import FencedTarget
from pipeline.delivery.lease import EnvironmentLease
from pipeline.delivery.lock import EnvironmentLock
from pipeline.errors import CancelledError, LeaseLostError, RefusedError
from pipeline.model.status import PromotionState
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Rollout
from pipeline.targets.scripted import ScriptedTarget

S = PromotionState
OLD, NEW = release("a"), release("b")
ORDER = Rollout(environment="dev", release=NEW.id, promotion="p1", image=NEW.images["push"])
SHORT = 0.3
"""Seconds of a lease that is to run out within a test; nobody sleeps for it, others wait until it has."""


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    (tmp_path / "home").mkdir()
    return Ground(home=tmp_path / "home", clock=SystemClock())  # type: ignore[arg-type]


@pytest.fixture
def lease(ground: Ground, tmp_path: Path) -> Callable[..., EnvironmentLease]:
    """Of one environment, from a machine (an installation with a folder) of a name."""

    def make(machine: str = "one", *, seconds: float = 20.0) -> EnvironmentLease:
        return EnvironmentLease(
            name="shop/dev",
            who=f"run of {machine}",
            lock=EnvironmentLock(tmp_path / machine, service="shop", environment="dev"),
            records=lambda: ground.records,
            clock=ground.clock,
            installation=f"{machine}-{INSTALLATION}",
            seconds=seconds,
        )

    return make


def take(lease: EnvironmentLease, said: list[str] | None = None) -> EnvironmentLease:
    lease.take(progress=(said if said is not None else []).append, cancel=Cancellation())
    return lease


def orphan(lease: EnvironmentLease) -> None:
    """The process dies: no heartbeat any more, and the kernel lets go of its lock."""
    lease._stopped.set()
    lease._lock.release()


def test_tokens_grow_with_each_holder(lease: Callable[..., EnvironmentLease], ground: Ground) -> None:
    tokens = []
    for machine in ("one", "one", "two"):
        held = take(lease(machine))
        tokens.append(held.token)
        held.release()
        assert ground.records.lease("shop/dev") is None
    assert tokens == sorted(set(tokens))


def test_the_dead_of_this_machine_are_not_waited_for(lease: Callable[..., EnvironmentLease]) -> None:
    dead = take(lease(seconds=3600))
    orphan(dead)
    said: list[str] = []
    heir = take(lease(), said)
    assert (said, heir.token > dead.token) == ([], True)
    with pytest.raises(LeaseLostError, match="run of one"):
        dead._renew(dead.current)
    with pytest.raises(LeaseLostError, match="not ours any more"):
        dead.check()
    heir.release()


def test_another_machine_waits_for_the_end_and_says_for_whom(
    lease: Callable[..., EnvironmentLease], ground: Ground
) -> None:
    dead = take(lease("one", seconds=SHORT))
    orphan(dead)
    said: list[str] = []
    heir = take(lease("two", seconds=SHORT), said)  # it waits for as long as a lease of its own lasts
    assert len(said) == 1
    assert "shop/dev is being deployed to by run of one (pid " in said[0]
    target = ScriptedTarget(DEV, place=ground.place)
    with pytest.raises(LeaseLostError):
        FencedTarget(target, dead).roll_out(ORDER, progress=print, cancel=Cancellation())
    assert ground.place.orders == []
    heir.release()


def test_a_heartbeat_moves_its_end_on_and_stops_with_it(lease: Callable[..., EnvironmentLease], ground: Ground) -> None:
    held = take(lease("one", seconds=SHORT))
    ends = {held.current.expires}
    while len(ends) < 4:
        current = ground.records.lease("shop/dev")
        assert current is not None
        ends.add(current.expires)
    beating = held._beating
    held.release()
    assert beating is not None
    assert not beating.is_alive()
    assert ground.records.lease("shop/dev") is None


def test_waiting_for_another_machine_can_be_cancelled(lease: Callable[..., EnvironmentLease]) -> None:
    held = take(lease("one"))
    cancel = Cancellation()
    with pytest.raises(CancelledError, match="enough"):
        lease("two").take(progress=lambda _: cancel.cancel("enough"), cancel=cancel)
    held.check()
    held.release()
    take(lease("two")).release()


def test_a_stale_token_is_refused_by_the_target_itself(lease: Callable[..., EnvironmentLease], ground: Ground) -> None:
    target = ScriptedTarget(DEV, place=ground.place)
    dead = take(lease("one", seconds=SHORT))
    late = replace(ORDER, fence=dead.token)
    orphan(dead)
    heir = take(lease("two", seconds=SHORT))
    FencedTarget(target, heir).roll_out(replace(ORDER, promotion="p2"), progress=print, cancel=Cancellation())
    with pytest.raises(LeaseLostError, match="newer lease"):
        target.roll_out(late, progress=print, cancel=Cancellation())
    heir.release()


def test_a_promotion_that_was_moved_by_somebody_else_is_not_overwritten(ground: Ground) -> None:
    with pytest.raises(KilledError):
        ground.promote(NEW, fault=Fault(at=3))  # planned, and no more
    (planned,) = ground.history()
    journal = ground.promoter().journal
    journal.move(planned, S.SUPERSEDED, detail="by another")
    with pytest.raises(RefusedError, match="somebody else was quicker"):
        journal.move(planned, S.WAITING)
    assert [item.state for item in ground.history()] == [S.SUPERSEDED]


@pytest.mark.parametrize(
    ("queue", "ended"),
    [pytest.param(True, S.WAITING, id="queue"), pytest.param(False, S.SUPERSEDED, id="supersede")],
)
def test_a_newer_one_supersedes_what_has_not_begun_where_the_environment_says_so(
    ground: Ground, queue: bool, ended: PromotionState
) -> None:
    ground.environment = replace(DEV, queue=queue)
    with pytest.raises(KilledError):
        ground.promote(OLD, fault=Fault(at=3))
    (left,) = ground.history()
    ground.promoter().journal.move(left, S.WAITING, detail="for somebody")
    assert ground.promote(NEW).state is S.DEPLOYED
    assert ground.records.find_promotion(left.id).state is ended


def test_what_waited_long_is_live_when_it_came_in_last(ground: Ground) -> None:
    with pytest.raises(KilledError):
        ground.promote(OLD, fault=Fault(at=3))
    (early,) = ground.history()
    ground.promoter().journal.move(early, S.WAITING, detail="for somebody")
    ground.promote(NEW)
    assert ground.promote(OLD, promotion=early.id).state is S.DEPLOYED
    assert ground.live() == {OLD.id} == {ground.claimed()}
