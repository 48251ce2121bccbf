"""Judging a swarm by its tasks: what runs, what failed, what is in the way, and what is half done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.targets.swarm.changes import instances_for
from pipeline.targets.swarm.convergence import Goal, standing
from pipeline.targets.swarm.tasks import Node, Task, nodes, tasks

NODES = {f"n{index}": Node(id=f"n{index}", name=f"node{index}", address=f"10.0.0.{index}", up=True) for index in (1, 2)}
LOST = {**NODES, "n2": replace(NODES["n2"], up=False)}
NO_NODE = "no suitable node (host-mode port already in use on 2 nodes)"


def task(promotion: str, state: str = "running", *, wanted: str = "running", node: Node | None = NODES["n1"],
         words: str = "", code: int | None = None, name: str = "") -> Task:  # fmt: skip
    return Task(
        id=name or f"{promotion}-{state}", service="s", slot=1, node=node, wanted=wanted, state=state, words=words,
        exit_code=code, container="c" if node else "", image="image", release="r", promotion=promotion,
        has_health=None, since=None, ports=(),
    )  # fmt: skip


GOAL = Goal(service="s", promotion="p2", replicas=2)
A, B = task("p2", name="a"), task("p2", name="b")


@pytest.mark.parametrize(
    ("there", "reached", "as_far", "words"),
    [
        pytest.param([A, B], True, True, "2 of 2 instances run", id="whole"),
        pytest.param(
            [A, task("p1")], False, False, "1 of 2 instances run; 1 of the other version still run", id="half"
        ),
        pytest.param([A, B, task("p1")], False, False, "2 of 2 instances run; 1 of the other version", id="old-left"),
        pytest.param([A, B, task("p1", wanted="shutdown")], True, True, "2 of 2", id="the-old-one-is-told-to-end"),
        pytest.param([A, task("p2", "starting")], False, False, "1 of 2 instances run", id="not-healthy-yet"),
        pytest.param([A, task("p2", "pending", node=None, words=NO_NODE)], False, True, NO_NODE, id="no-node"),
        pytest.param([task("p2", "pending", node=None, words=NO_NODE)], False, False, "0 of 2", id="nobody-at-all"),
        pytest.param([A, B, task("p3", name="x")], False, False, "1 of the other version", id="a-third-version"),
        pytest.param([A, B, replace(A, service="other", id="o")], True, True, "2 of 2", id="services-of-others"),
    ],
)
def test_where_a_rollout_stands(there: list[Task], reached: bool, as_far: bool, words: str) -> None:
    seen = standing(there, [GOAL], trial="p2", nodes=NODES)
    assert (seen.reached, seen.as_far_as_it_goes) == (reached, as_far)
    assert words in seen.words()
    assert seen.failed == ()


def test_an_instance_on_a_lost_node_does_not_count_and_the_node_is_named() -> None:
    seen = standing([A, replace(B, node=LOST["n2"])], [GOAL], nodes=LOST)
    assert not seen.reached
    assert "node node2 down" in seen.words()


@pytest.mark.parametrize(
    ("there", "known", "stuck"),
    [
        pytest.param([A, task("p1")], NODES, False, id="under-way"),
        pytest.param([A, task("p1"), task("p2", "pending", node=None, words=NO_NODE)], NODES, True, id="no-node"),
        pytest.param([A, task("p1"), replace(B, node=LOST["n2"])], LOST, True, id="one-was-lost-with-its-node"),
        pytest.param([A, B], LOST, False, id="there-is-nothing-to-go-on-to"),
    ],
)
def test_when_the_swarm_s_own_update_may_not_go_on(there: list[Task], known: dict[str, Node], stuck: bool) -> None:
    assert standing(there, [GOAL], nodes=known).is_stuck is stuck


@pytest.mark.parametrize(
    ("ended", "counts"),
    [
        pytest.param(task("p2", "failed", code=3), True, id="failed"),
        pytest.param(task("p2", "rejected", words="No such image"), True, id="rejected"),
        pytest.param(task("p2", "complete"), True, id="ended-without-being-asked"),
        pytest.param(task("p2", "shutdown", wanted="shutdown"), False, id="told-to-end"),
        pytest.param(task("p1", "failed", code=1), False, id="the-old-one"),
        pytest.param(task("p2", "failed", code=3, name="before"), False, id="of-an-earlier-try"),
    ],
)
def test_what_counts_as_a_failure_of_the_version_on_trial(ended: Task, counts: bool) -> None:
    seen = standing([A, ended], [GOAL], trial="p2", known=frozenset({"before"}), nodes=NODES)
    assert bool(seen.failed) is counts


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        pytest.param(task("p2", "failed", code=3), "it ended with exit 3 on node1", id="exit"),
        pytest.param(task("p2", "complete", code=0), "it ended with exit 0 on node1", id="exit-0"),
        pytest.param(task("p2", "failed", code=137, words="task: non-zero exit (137): dockerexec: unhealthy container"),
                     "its health check says unhealthy on node1", id="unhealthy"),
        pytest.param(task("p2", "rejected", words="No such image: x"), "No such image: x on node1", id="image"),
        pytest.param(task("p2", "pending", node=None), "it is pending", id="nothing-known"),
    ],
)  # fmt: skip
def test_trouble_is_said_in_words(ended: Task, words: str) -> None:
    assert ended.trouble() == words


@given(share=st.integers(1, 100), replicas=st.integers(2, 200))
def test_a_canary_comes_as_near_as_whole_instances_can(share: int, replicas: int) -> None:
    count = instances_for(share, replicas)
    assert 1 <= count <= replicas
    assert (count == replicas) == (share == 100)
    if count not in (1, replicas - 1, replicas):
        assert abs(100 * count / replicas - share) <= 50 / replicas + 1e-9


@given(running=st.integers(0, 6), old=st.integers(0, 6), wanted=st.integers(1, 6))
def test_only_exactly_what_was_asked_for_counts_as_reached(running: int, old: int, wanted: int) -> None:
    there = [task("p2", name=f"n{index}") for index in range(running)]
    there += [task("p1", name=f"o{index}") for index in range(old)]
    seen = standing(there, [replace(GOAL, replicas=wanted)], nodes=NODES)
    assert seen.reached == (running == wanted and old == 0)


def test_answers_of_the_engine_are_read() -> None:
    known = nodes([{"ID": "n1", "Description": {"Hostname": "node1"}, "Status": {"State": "down", "Addr": "10.0.0.1"}}])
    (seen,) = tasks(
        [
            {
                "ID": "t", "ServiceID": "s", "Slot": 2, "NodeID": "n1", "CreatedAt": "2026-11-27T15:55:50Z",
                "DesiredState": "running",
                "Status": {
                    "State": "running", "Timestamp": "2026-11-27T15:55:50.123456789Z",
                    "ContainerStatus": {"ContainerID": "c", "PID": 1},
                    "PortStatus": {"Ports": [{"Protocol": "tcp", "PublishedPort": 8080}] * 2},
                },
                "Spec": {"ContainerSpec": {"Image": "a@sha256:1", "Labels": {"io.ecluse.promotion": "p1"}}},
            }
        ],
        known,
    )  # fmt: skip
    assert (seen.promotion, seen.image, seen.slot, seen.ports) == ("p1", "a@sha256:1", 2, (8080,))
    assert (seen.runs, seen.since is not None and seen.since.microsecond) == (False, 123456)
