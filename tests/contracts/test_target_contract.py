"""The contract of `pipeline.ports.target.Target`, for every target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from compose_ground import ComposeProject
from environment.haproxy import Haproxy
from target_ground import ENDS, GOOD, Cluster, Engine, environment, order

from pipeline.errors import CancelledError, EcluseError, LeaseLostError, TargetError
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Rollout, RolloutResult, Target
from pipeline.targets.scripted import Place, ScriptedTarget

STRATEGIES = {
    StrategyKind.RECREATE: Strategy(kind=StrategyKind.RECREATE),
    StrategyKind.ROLLING: Strategy(kind=StrategyKind.ROLLING, batch=1),
    StrategyKind.BLUE_GREEN: Strategy(kind=StrategyKind.BLUE_GREEN),
    StrategyKind.CANARY: Strategy(kind=StrategyKind.CANARY, steps=(20, 50, 100)),
}


CAN = {
    "compose": frozenset({StrategyKind.RECREATE}),
    "docker": frozenset({StrategyKind.RECREATE, StrategyKind.BLUE_GREEN}),
    "proxied": frozenset(StrategyKind),
    "scripted": frozenset(StrategyKind),
    "swarm": frozenset(StrategyKind) - {StrategyKind.CANARY},
    "swarm-of-two": frozenset(StrategyKind),
}
"""Each target under contract, and the strategies that it can do."""
PAIR = "swarm-of-two"
"""Held only to what takes two instances: each more takes time."""


@dataclass
class Ground:
    """One environment of a target kind, and how to order good and bad versions there."""

    target: Callable[[], Target]
    order: Callable[..., Rollout]
    bad: Callable[..., tuple[Target, Rollout]]
    keeps: bool = True
    """Whether the instances of the old one run on until the new one is confirmed, or are made again to go back."""
    nearest: Callable[[int], int] = lambda share: share
    """The share that it can give; a swarm shares by whole instances."""
    said: list[str] = field(default_factory=list)

    def roll_out(
        self,
        promotion: str,
        *,
        strategy: Strategy | None = None,
        fence: int = 0,
        cancel: Cancellation | None = None,
    ) -> RolloutResult:
        ordered = self.order(promotion, strategy=strategy, fence=fence)
        return self.target().roll_out(ordered, progress=self.said.append, cancel=cancel or Cancellation())

    def fail(self, promotion: str, *, strategy: Strategy | None = None) -> RolloutResult:
        target, bad = self.bad(promotion, strategy=strategy)
        return target.roll_out(bad, progress=self.said.append, cancel=Cancellation())

    def shift(self, promotion: str, share: int) -> RolloutResult:
        return self.target().shift(promotion, share, progress=self.said.append, cancel=Cancellation())

    def roll_back(self, promotion: str) -> RolloutResult:
        return self.target().roll_back(promotion, progress=self.said.append)

    def confirm(self, promotion: str) -> list[str]:
        """What is left."""
        observed = self.target().confirm(promotion, progress=self.said.append)
        return sorted({item.promotion for item in observed.instances})

    def serving(self) -> list[str]:
        return sorted({item.promotion for item in self.target().observe().serving})

    def all(self) -> list[str]:
        return sorted({item.promotion for item in self.target().observe().instances})

    def shares(self) -> dict[str, int | None]:
        return {item.promotion: item.share for item in self.target().observe().serving}


def ground_of(kind: str, request: pytest.FixtureRequest) -> Ground:
    if kind == "scripted":
        return scripted()
    if kind in ("swarm", PAIR):
        cluster: Cluster = request.getfixturevalue("cluster")
        number = 2 if kind == PAIR else 1

        def service(script: str = GOOD) -> Target:
            return cluster.target(script=script, replicas=number)

        return Ground(
            target=service,
            order=lambda promotion, **more: order(promotion, cluster.image, **more),
            bad=lambda promotion, **more: (service(ENDS), order(promotion, cluster.image, **more)),
            keeps=False,
            nearest=lambda _: 50,
        )
    if kind == "compose":
        composed: ComposeProject = request.getfixturevalue("composed")
        return Ground(
            target=composed.target,
            order=composed.order,
            bad=lambda promotion, **more: (composed.target(), composed.order(promotion, script=ENDS, **more)),
            keeps=False,
        )
    proxy: Haproxy | None = request.getfixturevalue("proxy") if kind == "proxied" else None
    subject: Engine = request.getfixturevalue("docker")  # after the proxy, so that it is cleared away before it

    def target(script: str = GOOD) -> Target:
        return subject.proxied(proxy, script=script) if proxy else subject.target(script=script)

    return Ground(
        target=target,
        order=lambda promotion, **more: order(promotion, subject.image, **more),
        bad=lambda promotion, **more: (target(ENDS), order(promotion, subject.image, **more)),
    )


@pytest.fixture(params=[kind for kind in CAN if kind != PAIR])
def ground(request: pytest.FixtureRequest) -> Ground:
    return ground_of(request.param, request)


@pytest.fixture(params=[kind for kind, can in CAN.items() if StrategyKind.CANARY in can])
def canary(request: pytest.FixtureRequest) -> Ground:
    """Each target that can share its traffic."""
    return ground_of(request.param, request)


@pytest.fixture(
    params=[
        pytest.param((kind, way), id=f"{kind}-{way}")
        for kind, can in CAN.items()
        for way in sorted(can)
        if (kind != PAIR or way is StrategyKind.CANARY) and len(can) > 1
    ]
)
def by_strategy(request: pytest.FixtureRequest) -> tuple[Ground, Strategy]:
    """Each target with each strategy that it can do, where it has more than its own way."""
    kind, way = request.param
    return ground_of(kind, request), STRATEGIES[way]


def scripted() -> Ground:
    place = Place(unfit={"bad@sha256:0": "it ended with exit 3"}, replicas=3)
    target = ScriptedTarget(environment({}), place=place)
    return Ground(
        target=lambda: target,
        order=lambda promotion, **more: order(promotion, f"image@sha256:{promotion}", **more),
        bad=lambda promotion, **more: (target, order(promotion, "bad@sha256:0", **more)),
    )


def test_a_first_version_serves(ground: Ground) -> None:
    result = ground.roll_out("p1")
    assert result.succeeded
    assert result.gap is None
    assert {(item.promotion, item.release) for item in result.observed.serving} == {("p1", "sha256:p1")}
    assert {item.image for item in result.observed.serving} == {ground.order("p1").image}
    assert ground.shares() == {"p1": 100}


def test_the_old_one_is_kept_until_the_new_one_is_confirmed(ground: Ground) -> None:
    ground.roll_out("p1")
    ground.confirm("p1")
    result = ground.roll_out("p2")
    assert result.succeeded
    assert result.gap is not None
    assert (ground.serving(), ground.all()) == (["p2"], ["p1", "p2"] if ground.keeps else ["p2"])
    assert ground.confirm("p2") == ["p2"]


def test_going_back_lets_the_old_one_serve_again(ground: Ground) -> None:
    ground.roll_out("p1")
    ground.roll_out("p2")
    assert ground.roll_back("p2").succeeded
    assert (ground.serving(), ground.all()) == (["p1"], ["p1"])
    assert ground.roll_back("p2").succeeded
    assert ground.shares() == {"p1": 100}


def test_going_back_from_the_first_version_leaves_nothing(ground: Ground) -> None:
    ground.roll_out("p1")
    result = ground.roll_back("p1")
    assert not result.succeeded
    assert "no earlier version" in result.reason
    assert ground.all() == []


def test_a_version_that_cannot_start_changes_nothing(ground: Ground) -> None:
    ground.roll_out("p1")
    before = ground.target().observe()
    result = ground.fail("p2")
    assert not result.succeeded
    assert "exit 3" in result.reason
    if ground.keeps:
        assert result.observed == before
    assert (ground.shares(), ground.all()) == ({"p1": 100}, ["p1"])


def test_what_changes_nothing(ground: Ground) -> None:
    ground.roll_out("p1")
    before = ground.target().observe()
    assert ground.roll_out("p1").succeeded, "rolling out twice does it once"
    assert ground.target().observe() == before
    cancel = Cancellation()
    cancel.cancel("enough")
    with pytest.raises(CancelledError, match="enough"):
        ground.roll_out("p2", cancel=cancel)
    assert ground.target().observe() == before
    for kind in frozenset(StrategyKind) - ground.target().strategies:
        with pytest.raises(TargetError, match=f"cannot do the strategy '{kind}'"):
            ground.roll_out("p2", strategy=STRATEGIES[kind])
    assert ground.target().observe() == before


def test_nothing_to_confirm_to_shift_or_to_ask_is_an_error(ground: Ground) -> None:
    with pytest.raises(TargetError, match="nothing serves"):
        ground.confirm("p1")
    with pytest.raises(TargetError, match="no canary of promotion p1"):
        ground.shift("p1", 50)
    with pytest.raises(TargetError, match="no container serves"):
        ground.target().command(("true",), timeout=5)


def test_removing_takes_everything_away(ground: Ground) -> None:
    ground.roll_out("p1")
    ground.roll_out("p2", fence=1)
    ground.target().remove()
    assert ground.all() == []
    assert ground.roll_out("p3", fence=1).succeeded


def test_each_strategy_ends_with_the_new_one_and_can_go_back(by_strategy: tuple[Ground, Strategy]) -> None:
    ground, strategy = by_strategy
    ground.roll_out("p1")
    result = ground.roll_out("p2", strategy=strategy)
    assert result.succeeded, result.reason
    for share in strategy.steps:
        ground.shift("p2", share)
    assert ground.shares() == {"p2": 100}
    assert ground.all() == (["p1", "p2"] if ground.keeps else ["p2"])
    assert ground.roll_back("p2").succeeded
    assert (ground.shares(), ground.all()) == ({"p1": 100}, ["p1"])
    ground.roll_out("p3", strategy=strategy)
    for share in strategy.steps:
        ground.shift("p3", share)
    assert ground.confirm("p3") == ["p3"]
    assert ground.shares() == {"p3": 100}


def test_a_bad_version_by_each_strategy_leaves_the_old_one_serving(by_strategy: tuple[Ground, Strategy]) -> None:
    ground, strategy = by_strategy
    ground.roll_out("p1")
    result = ground.fail("p2", strategy=strategy)
    assert not result.succeeded
    assert "exit 3" in result.reason
    assert (ground.shares(), ground.all()) == ({"p1": 100}, ["p1"])


def test_a_canary_gets_its_share_and_goes_back_from_any_step(canary: Ground) -> None:
    canary.roll_out("p1")
    canary.roll_out("p2", strategy=STRATEGIES[StrategyKind.CANARY])
    first = canary.nearest(20)
    assert canary.shares() == {"p1": 100 - first, "p2": first}
    again = canary.roll_out("p2", strategy=STRATEGIES[StrategyKind.CANARY])
    assert (again.succeeded, canary.shares()) == (True, {"p1": 100 - first, "p2": first})
    for share in (50, 50):
        assert canary.shift("p2", share).succeeded
        assert canary.shares() == {"p1": 50, "p2": 50}
    assert canary.roll_back("p2").succeeded
    assert canary.shares() == {"p1": 100}
    with pytest.raises(TargetError, match="no canary of promotion p2"):
        canary.shift("p2", 50)


def test_a_first_version_by_canary_serves_at_once(canary: Ground) -> None:
    canary.roll_out("p1", strategy=STRATEGIES[StrategyKind.CANARY])
    assert canary.shares() == {"p1": 100}
    assert canary.shift("p1", 100).succeeded


@pytest.mark.parametrize("kind", CAN)
def test_a_target_says_which_strategies_it_can_do(request: pytest.FixtureRequest, kind: str) -> None:
    assert ground_of(kind, request).target().strategies == CAN[kind]


OLDER: dict[str, Callable[[Target], object]] = {
    "roll back": lambda target: target.roll_back("p1", progress=print, fence=7),
    "confirm": lambda target: target.confirm("p1", progress=print, fence=7),
    "shift": lambda target: target.shift("p1", 50, progress=print, cancel=Cancellation(), fence=7),
}
"""What somebody asks for whose lease is older than the one that the target has seen."""


def test_who_comes_with_an_older_lease_is_refused(ground: Ground) -> None:
    ground.roll_out("p1", fence=7)
    ground.target().confirm("p1", progress=print, fence=9)
    before = ground.target().observe()
    for name, call in OLDER.items():
        with pytest.raises(LeaseLostError, match="a newer lease"):
            call(ground.target())
        assert ground.target().observe() == before, name
    with pytest.raises(LeaseLostError, match="a newer lease"):
        ground.roll_out("p2", fence=8)
    assert ground.target().observe() == before
    assert ground.roll_out("p2", fence=9).succeeded


def test_who_loses_the_lease_half_way_undoes_nothing_of_the_next_one(ground: Ground) -> None:
    ground.roll_out("p1", fence=1)
    lost, taken = Cancellation(), False

    def overtake(line: str) -> None:
        nonlocal taken
        if taken:
            return
        taken = True
        ground.target().roll_back("p2", progress=ground.said.append, fence=3)
        assert ground.roll_out("p3", fence=3).succeeded
        lost.cancel("the lease was lost")

    late = ground.order("p2", strategy=STRATEGIES[StrategyKind.RECREATE], fence=2)
    with pytest.raises(EcluseError):
        ground.target().roll_out(late, progress=overtake, cancel=lost)
    assert taken
    assert ground.shares() == {"p3": 100}
    assert ground.target().confirm("p3", progress=ground.said.append, fence=3).serving
    assert (ground.shares(), ground.all()) == ({"p3": 100}, ["p3"])
