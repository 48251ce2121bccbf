"""Promoters on a real swarm killed at random writes, and nodes cut off meanwhile: it is whole again every time."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.swarm_killing import die
from contracts.target_ground import Cluster, order
from environment.servers import eventually
from environment.swarm import Swarm

from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.targets.swarm.target import SwarmTarget

PROMOTIONS = int(os.environ.get("ECLUSE_TEST_PROMOTIONS", "50"))
SEED = int(os.environ.get("ECLUSE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
SLOWLY = Strategy(kind=StrategyKind.ROLLING, pause=3)
"""Slow enough for the swarm to find out that a node is lost before the end: that takes it three seconds."""
SETTLED_WITHIN = 30.0


@pytest.fixture
def cluster(swarm: Swarm, swarm_image: str, tmp_home: Path) -> Iterator[Cluster]:
    subject = Cluster(swarm, tmp_home, swarm_image)
    yield subject
    subject.close()


def roll(target: SwarmTarget, cluster: Cluster, promotion: str, kind: StrategyKind) -> None:
    """By that strategy to its end."""
    strategy = Strategy(kind=kind, steps=(50, 100))
    ordered = order(promotion, cluster.image, strategy=strategy, timeout=60)
    result = target.roll_out(ordered, progress=_nothing, cancel=Cancellation())
    assert result.succeeded, result.reason
    if kind is StrategyKind.CANARY:
        result = target.shift(promotion, 100, progress=_nothing, cancel=Cancellation())
        assert result.succeeded, result.reason


def await_serving(target: SwarmTarget, wanted: list[str], what: str) -> None:
    """A node that was cut off has run on with what it had; the swarm ends that once the node is back."""

    def seen() -> list[str]:
        return [item.promotion for item in target.observe().serving]

    try:
        eventually(lambda: seen() == wanted or None, seconds=SETTLED_WITHIN, what=what)
    except TimeoutError:
        raise AssertionError(f"{what}: {seen()} serve instead of {wanted}") from None


@pytest.mark.soak
def test_what_ran_on_a_node_that_is_cut_off_runs_elsewhere(cluster: Cluster, swarm: Swarm) -> None:
    target, said = cluster.target(replicas=3), []
    roll(target, cluster, "p1", StrategyKind.ROLLING)
    victim = swarm.nodes[2].host

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("1 of 3"):
            victim.cut()

    try:
        result = target.roll_out(order("p2", cluster.image, strategy=SLOWLY), progress=say, cancel=Cancellation())
        assert result.succeeded, result.reason
        assert {item.promotion for item in result.observed.serving} == {"p2"}
        assert any("node3 is down" in line for line in said)
        assert {item.place for item in result.observed.serving} == {"node1", "node2"}
    finally:
        victim.mend()
        swarm.await_nodes(3)


@pytest.mark.soak
@pytest.mark.timeout(2 * 3600)
def test_a_swarm_is_whole_after_every_promotion(
    cluster: Cluster, swarm: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn, target, live, kills = random.Random(SEED), cluster.target(), "p0", 0  # noqa: S311 - instants
    roll(target, cluster, live, StrategyKind.ROLLING)
    target.confirm(live, progress=_nothing)
    for number in range(1, PROMOTIONS + 1):
        promotion, kind = f"p{number}", drawn.choice(list(StrategyKind))
        cut = drawn.choice([None, None, None, swarm.nodes[1], swarm.nodes[2]])
        writes = drawn.randint(1, 4)
        if cut:
            cut.host.cut()
        try:
            kills += die(cluster, promotion, kind, "roll", writes)
            if drawn.random() < 0.5:
                target.roll_back(promotion, progress=_nothing)
            else:
                roll(target, cluster, promotion, kind)
                target.confirm(promotion, progress=_nothing)
                live = promotion
        finally:
            if cut:
                cut.host.mend()
                swarm.await_nodes(3)
        await_serving(target, [live, live], f"promotion {number} of seed {SEED}")
        with capsys.disabled():
            where = f" without {cut.name}" if cut else ""
            print(f"{promotion} by {kind}, killed after write {writes}{where}: {live} serves", flush=True)
        assert cluster.docker("config", "ls", "-q", "-f", f"name={cluster.name}") == ""
        assert cluster.docker("service", "ls", "--format", "{{.Name}}", "-f", f"name={cluster.name}") == cluster.name
    assert kills > PROMOTIONS // 3


def _nothing(_: str) -> None:
    return None
