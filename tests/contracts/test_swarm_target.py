"""What the swarm target promises beyond the contract, on three real nodes: no request lost, nodes that die, kills."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from environment.servers import eventually
from environment.swarm import Swarm
from swarm_killing import die
from target_ground import GOOD, Cluster, Images, order

from pipeline.errors import CancelledError, LeaseLostError, TargetError, UsageError
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Rollout, RolloutResult
from pipeline.targets.swarm.target import SwarmTarget

SLOWLY = Strategy(kind=StrategyKind.ROLLING, pause=3)
"""Slow enough for the swarm to find out that a node is lost before the end: that takes it three seconds."""
CANARY = Strategy(kind=StrategyKind.CANARY, steps=(33, 100))


def roll(target: SwarmTarget, ordered: Rollout, say: Callable[[str], None] = print) -> RolloutResult:
    return target.roll_out(ordered, progress=say, cancel=Cancellation())


def places(result: RolloutResult) -> dict[str, str]:
    """Node to the promotion that serves on it."""
    return {item.place: item.promotion for item in result.observed.serving}


def test_a_node_that_dies_in_the_middle_is_named_and_the_old_version_serves_on_the_others(
    cluster: Cluster, swarm: Swarm, everywhere: dict[str, Value]
) -> None:
    target, said = cluster.target(**everywhere), []
    roll(target, order("p1", cluster.image))
    victim = swarm.nodes[2]

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("1 of 3"):
            victim.kill()

    try:
        result = roll(target, order("p2", cluster.image, timeout=4, strategy=SLOWLY), say)
        assert not result.succeeded
        assert any("node3 is down" in line for line in said)
        assert "node node3 down" in result.reason
        assert places(result) == {"node1": "p1", "node2": "p1"}
        assert target.observe().serving[0].share == 100
    finally:
        victim.restart()
        swarm.await_nodes(3)
    whole = eventually(lambda: _whole(target, 3), seconds=30, what="three instances once the node is back")
    assert whole == {"node1": "p1", "node2": "p1", "node3": "p1"}


def _whole(target: SwarmTarget, number: int) -> dict[str, str] | None:
    serving = {item.place: item.promotion for item in target.observe().serving}
    return serving if len(serving) == number else None


def test_a_service_of_somebody_else_is_left_alone(cluster: Cluster) -> None:
    cluster.docker("service", "create", "--detach", "--name", cluster.name, "--replicas", "0", cluster.image)
    before = cluster.docker("service", "inspect", cluster.name)
    try:
        with pytest.raises(TargetError, match=f"service {cluster.name} belongs to somebody else"):
            roll(cluster.target(), order("p1", cluster.image))
        assert cluster.target().roll_back("p1", progress=print).observed.instances == ()
        cluster.target().remove()
        assert cluster.docker("service", "inspect", cluster.name) == before
    finally:
        cluster.docker("service", "rm", cluster.name)


def test_an_environment_of_another_pipeline_is_left_alone(cluster: Cluster) -> None:
    roll(cluster.target(pipeline="theirs"), order("q1", cluster.image))
    with pytest.raises(TargetError, match="belongs to environment 'dev' of theirs"):
        roll(cluster.target(pipeline="ours"), order("p1", cluster.image))
    assert cluster.target(pipeline="ours").observe().instances == ()
    assert [item.promotion for item in cluster.target(pipeline="theirs").observe().serving] == ["q1", "q1"]


def test_who_writes_in_between_wins_and_is_not_undone(cluster: Cluster) -> None:
    target = cluster.target()
    roll(target, order("p1", cluster.image))

    def say(line: str) -> None:
        with suppress(subprocess.CalledProcessError):
            cluster.docker("service", "update", "--detach", "--label-add", "by=hand", cluster.name)

    with pytest.raises(TargetError, match="was changed by somebody else meanwhile"):
        roll(target, order("p2", cluster.image, strategy=CANARY), say)
    assert cluster.docker("service", "inspect", "--format", "{{.Spec.Labels.by}}", cluster.name) == "hand"
    assert target.roll_back("p2", progress=print).succeeded
    assert {item.promotion for item in target.observe().serving} == {"p1"}


def test_who_lost_the_lease_in_between_writes_nothing_more(cluster: Cluster) -> None:
    target, other = cluster.target(), cluster.target()
    roll(target, order("p1", cluster.image, fence=1))

    def say(line: str) -> None:
        if line.startswith("removing"):
            other.roll_back("p0", progress=print, fence=3)

    roll(target, order("p2", cluster.image, strategy=CANARY, fence=2))
    with pytest.raises(LeaseLostError, match="a newer lease"):
        roll(target, order("p3", cluster.image, fence=2), say)
    assert {item.promotion for item in target.observe().serving} == {"p1"}


def test_secrets_are_files_by_promotion_and_the_old_ones_go(cluster: Cluster) -> None:
    target = cluster.target(replicas=1, constraints="node.hostname == node1")

    def ordered(promotion: str) -> Rollout:
        made = order(promotion, cluster.image)
        return Rollout(
            **{name: getattr(made, name) for name in made.__slots__} | {"secrets": {"WORD": f"s-{promotion}"}}
        )

    def word() -> str:
        return target.command(("cat", "/run/secrets/WORD"), timeout=10)[1]

    def kept() -> list[str]:
        return sorted(cluster.docker("secret", "ls", "--format", "{{.Name}}", "-f", f"name={cluster.name}").split())

    roll(target, ordered("p1"))
    target.confirm("p1", progress=print)
    roll(target, ordered("p2"))
    assert (word(), kept()) == ("s-p2", [f"{cluster.name}-p1-WORD", f"{cluster.name}-p2-WORD"])
    assert "s-p2" not in cluster.docker("service", "inspect", cluster.name)
    target.roll_back("p2", progress=print)
    assert (word(), kept()) == ("s-p1", [f"{cluster.name}-p1-WORD"])
    roll(target, ordered("p3"))
    target.confirm("p3", progress=print)
    assert (word(), kept()) == ("s-p3", [f"{cluster.name}-p3-WORD"])


def test_a_command_runs_on_the_node_of_an_instance(cluster: Cluster, swarm: Swarm) -> None:
    there: dict[str, Value] = {"replicas": 1, "constraints": "node.hostname == node2"}
    target = cluster.target(**there)
    roll(target, order("p1", cluster.image))
    with pytest.raises(TargetError, match="no instance runs on the node that we speak to, but on node2"):
        target.command(("true",), timeout=5)
    known = cluster.target(**there, nodes={"node2": swarm.node("node2").url})
    assert known.command(("sh", "-c", "echo $VERSION; exit 4"), timeout=10) == (4, "p1\n")
    logs = cluster.target(script=f"echo here; {GOOD}").logs("p1", since=None, limit=100)
    assert list(logs) == [item.name for item in target.observe().serving]


def test_logs_come_from_all_nodes(cluster: Cluster, swarm: Swarm) -> None:
    swarm.await_logs(cluster.image)
    target = cluster.target(replicas=3, script=f"echo 1234 of $VERSION; {GOOD}", per_node=1)
    roll(target, order("p1", cluster.image))
    logs = target.logs("p1", since=None, limit=6)
    assert set(logs) == {item.name for item in target.observe().serving}
    assert set(logs.values()) == {b"of p1\n"}
    assert set(target.logs("p1", since=datetime.now(UTC), limit=99).values()) == {b""}
    assert target.logs("p9", since=None, limit=99) == {}


def test_logs_are_read_from_the_engines_that_are_known(cluster: Cluster, swarm: Swarm) -> None:
    known: dict[str, Value] = {node.name: node.url for node in swarm.nodes[1:]}
    target = cluster.target(replicas=3, script=f"echo 1234 of $VERSION; {GOOD}", per_node=1, nodes=known)
    roll(target, order("p1", cluster.image))
    logs = target.logs("p1", since=None, limit=6)
    assert list(logs.items()) == [(item.name, b"of p1\n") for item in target.observe().serving]
    assert set(target.logs("p1", since=datetime.now(UTC), limit=99).values()) == {b""}


def test_what_somebody_puts_there_by_hand_is_seen_by_its_digest(cluster: Cluster, swarm: Swarm) -> None:
    target = cluster.target(replicas=1)
    roll(target, order("p1", cluster.image))
    tag = cluster.image.partition("@")[0] + ":1"
    cluster.docker("service", "update", "--no-resolve-image", "--image", tag, cluster.name)
    (serving,) = target.observe().serving
    assert serving.image == tag


def test_an_image_that_the_nodes_have_needs_no_registry(
    cluster: Cluster, swarm: Swarm, engine: str, images: Images, tmp_path: Path
) -> None:
    with swarm.another_registry(tmp_path / "registry") as address:
        image = swarm.provide(images.busybox, source=engine, repository="kept", registry=address)
        for node in swarm.nodes:
            node.docker("pull", image)
    result = roll(cluster.target(replicas=3, per_node=1), order("p1", image))
    assert result.succeeded, result.reason
    assert {item.image for item in result.observed.serving} == {image}


def test_a_context_of_docker_leads_to_the_swarm(
    cluster: Cluster, swarm: Swarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    subprocess.run(
        ["docker", "context", "create", "staging", "--docker", f"host={swarm.manager.url}"], check=True
    )  # fmt: skip
    assert cluster.target(host="", context="staging").observe().instances == ()
    with pytest.raises(UsageError, match="no context 'nowhere'"):
        cluster.target(host="", context="nowhere")


def test_a_worker_takes_no_orders_and_that_is_said(cluster: Cluster, swarm: Swarm) -> None:
    target = cluster.target(host=swarm.node("node2").url)
    cluster.made.remove(target)
    with pytest.raises(TargetError, match="the engine there is no manager of a swarm") as caught:
        target.observe()
    assert "point `host` or `context`" in caught.value.hint


def test_a_network_that_is_missing_is_said_before_anything_moves(cluster: Cluster) -> None:
    with pytest.raises(TargetError, match="the swarm has no network 'nowhere'"):
        roll(cluster.target(network="nowhere"), order("p1", cluster.image))
    assert cluster.left() == []


def test_a_cancel_in_the_middle_puts_the_old_one_back(cluster: Cluster) -> None:
    target, cancel = cluster.target(), Cancellation()
    roll(target, order("p1", cluster.image))
    with pytest.raises(CancelledError, match="enough"):
        target.roll_out(order("p2", cluster.image), progress=lambda _: cancel.cancel("enough"), cancel=cancel)
    assert {item.promotion for item in target.observe().serving} == {"p1"}
    assert cluster.docker("config", "ls", "-q", "-f", f"name={cluster.name}") == ""


def test_a_canary_that_was_killed_in_its_last_step_can_be_taken_back_and_taken_up(cluster: Cluster) -> None:
    strategy = Strategy(kind=StrategyKind.CANARY, steps=(50, 100))
    target = cluster.target()
    roll(target, order("p1", cluster.image))
    target.confirm("p1", progress=print)
    before = json.loads(cluster.docker("service", "inspect", cluster.name))[0]["Spec"]
    for turn in ("back", "up"):
        roll(target, order("p2", cluster.image, strategy=strategy))
        assert die(cluster, "p2", "canary", "shift", 1)
        if turn == "back":
            back = target.roll_back("p2", progress=print)
            assert back.succeeded, back.reason
            assert [item.promotion for item in back.observed.instances] == ["p1", "p1"]
            after = json.loads(cluster.docker("service", "inspect", cluster.name))[0]["Spec"]
            assert (after["TaskTemplate"], after["Mode"]) == (before["TaskTemplate"], before["Mode"])
    assert roll(target, order("p2", cluster.image, strategy=strategy)).succeeded
    observed = target.confirm("p2", progress=print)
    assert [item.promotion for item in observed.instances] == ["p2", "p2"]
    assert cluster.docker("config", "ls", "-q", "-f", f"name={cluster.name}") == ""


def test_another_promotion_after_a_kill_goes_back_to_what_was_whole(cluster: Cluster) -> None:
    target = cluster.target()
    roll(target, order("p1", cluster.image))
    assert die(cluster, "p2", "recreate", "roll", 2)
    assert roll(target, order("p3", cluster.image)).succeeded
    back = target.roll_back("p3", progress=print)
    assert [item.promotion for item in back.observed.serving] == ["p1", "p1"]
