"""What the swarm is asked for a stage, and what can never be had."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.executors.swarm.berth import Room, berth_name, berth_service, impossible, same_berth
from pipeline.executors.swarm.cluster import Node
from pipeline.model.container import ContainerSpec
from pipeline.model.definition import Resources
from pipeline.model.identity import LABEL_SPEC, RunIdentity
from pipeline.settings import Settings

RUN = RunIdentity(installation="0123456789abcdef", run="01jd4m2p5x7r9t1v3w5y7z9b2d")
SETTINGS = Settings(home=Path("/home"), swarm_constraints=("node.labels.build==yes",), memory=1000)
NAME = re.compile(r"[a-zA-Z0-9](?:[-_a-zA-Z0-9]*[a-zA-Z0-9])?")
"""What a swarm takes as the name of a service, up to 63 characters."""


def spec(**more: object) -> ContainerSpec:
    values = {"stage": "unit", "attempt": 1, "step": "main", "image": "busybox", **more}
    return ContainerSpec(**values)  # type: ignore[arg-type]


def node(name: str, cpus: float, memory: int, *, ready: bool = True) -> Node:
    return Node(id=name, name=name, address="", ready=ready, down=not ready, cpus=cpus, memory=memory)


@given(stage=st.text(min_size=1, max_size=80), attempt=st.integers(1, 999))
def test_names_are_such_as_a_swarm_takes(stage: str, attempt: int) -> None:
    name = berth_name(RUN, stage, attempt)
    assert NAME.fullmatch(name)
    assert len(name) <= 63


def test_names_are_those_of_one_attempt() -> None:
    names = {berth_name(RUN, stage, attempt) for stage in ("unit:3.10", "unit:3.11", "unit") for attempt in (1, 2)}
    assert len(names) == 6


def test_room_constraints_and_labels_go_to_the_swarm() -> None:
    body = berth_service(spec(resources=Resources(cpu=1.5)), RUN, SETTINGS, image="python@sha256:1")
    template = body["TaskTemplate"]
    assert template["Resources"]["Reservations"] == {"NanoCPUs": 1_500_000_000, "MemoryBytes": 1000}
    assert template["Placement"] == {"Constraints": ["node.labels.build==yes"]}
    assert template["RestartPolicy"] == {"Condition": "none"}
    labels = {"io.ecluse.run": RUN.run, "io.ecluse.stage": "unit", "io.ecluse.attempt": "1"}
    assert body["Labels"].items() >= labels.items()
    assert body["Labels"] == template["ContainerSpec"]["Labels"]


def test_nothing_that_a_stage_is_told_is_in_the_request() -> None:
    told = spec(environment={"TOKEN": "vErY-sEcReT"}, command=("sh", "-c", "vErY-sEcReT"))
    assert "vErY-sEcReT" not in json.dumps(berth_service(told, RUN, SETTINGS, image="python"))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param({}, True, id="the-same"),
        pytest.param({"step": "after"}, True, id="another-step"),
        pytest.param({"resources": Resources(cpu=2)}, False, id="more-room"),
        pytest.param({"grace": 99.0}, False, id="more-grace"),
    ],
)
def test_a_place_serves_all_steps_of_an_attempt_and_nothing_else(other: dict[str, object], same: bool) -> None:
    found = {"Spec": berth_service(spec(), RUN, SETTINGS, image="python")}
    wanted = berth_service(spec(**other), RUN, SETTINGS, image="python")
    assert same_berth(found, wanted) is same
    assert (found["Spec"]["Labels"][LABEL_SPEC] == wanted["Labels"][LABEL_SPEC]) is same


@pytest.mark.parametrize(
    ("room", "nodes", "why"),
    [
        pytest.param(Room(cpu=2, memory=100), [node("a", 1, 900), node("b", 4, 100)], "", id="one-has-it"),
        pytest.param(Room(), [node("a", 1, 1)], "", id="nothing-asked"),
        pytest.param(Room(cpu=2), [], "no node of the swarm is ready", id="no-nodes"),
        pytest.param(Room(cpu=2), [node("a", 9, 9, ready=False)], "no node of the swarm is ready", id="all-away"),
        pytest.param(
            Room(cpu=2, memory=500),
            [node("a", 1, 900), node("b", 4, 100)],
            "no node of the swarm has 2 processors and 500 bytes of memory: the largest is b with 4 processors and 100 "
            "bytes",
            id="each-lacks-one",
        ),
    ],
)
def test_what_can_never_be_had_is_said(room: Room, nodes: list[Node], why: str) -> None:
    assert impossible(room, nodes) == why
