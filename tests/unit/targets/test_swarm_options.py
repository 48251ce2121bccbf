"""What a pipeline file may say about a swarm target, and the service that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipeline.diagnostic import Position
from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import Value
from pipeline.ports.target import Rollout
from pipeline.targets.swarm.keepsakes import LONGEST, object_name
from pipeline.targets.swarm.options import SwarmOptions, UpdateOrder, swarm_options
from pipeline.targets.swarm.spec import Kept, Pace, Part, Wanted, at_pace, pace_back, pace_of, service_spec

ORDER = Rollout(
    environment="prod",
    release="sha256:r",
    promotion="p1",
    image="registry.example.org/shop@sha256:1",
    configuration={"B": "2", "A": "1"},
    secrets={"PASSWORD": "open-sluice"},
)
EVERYTHING: Mapping[str, Value] = {
    "service": "shop",
    "replicas": 3,
    "publish": ["80:8080", "53:5353/udp"],
    "routing": "host",
    "network": "back",
    "volumes": ["data:/var/lib/shop:ro"],
    "command": "serve --port 8080",
    "user": "1000",
    "health": {"command": ["wget", "localhost"], "interval": "1s", "timeout": "500ms", "start": "3s", "retries": 5},
    "drain": "5s",
    "settle": "2s",
    "constraints": ["node.role == worker"],
    "spread": "node.labels.zone",
    "per_node": 1,
    "resources": {"cpu": 0.5, "memory": "64MiB", "pids": 100, "reserve": {"cpu": 0.25, "memory": "32MiB"}},
    "labels": {"team": "lock"},
}


def options(given: Mapping[str, Value]) -> SwarmOptions:
    position = Position(file="pipeline.yml", line=1, column=1)
    return swarm_options(EnvironmentDefinition(name="prod", position=position, target_kind="swarm", target=given))


def spec(given: Mapping[str, Value], *, part: Part = Part.MAIN, strategy: Strategy | None = None) -> dict[str, Any]:
    parsed = options(given)
    return service_spec(
        Wanted(
            order=ORDER,
            options=parsed,
            part=part,
            replicas=parsed.replicas,
            labels={"io.ecluse.promotion": "p1"},
            secrets=(Kept(file="PASSWORD", id="s1", name="shop-p1-PASSWORD"),),
            networks=("n1",) if parsed.networks else (),
            pace=pace_of(strategy, parsed),
        )
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({}, "`service` is missing", id="no-service"),
        pytest.param({"service": "a b"}, "'a b' is no name of a service", id="bad-service"),
        pytest.param({"service": "x" * 52}, "is no name of a service", id="no-room-for-the-rehearsal"),
        pytest.param({"service": "a", "host": "x", "context": "y"}, "both `host` and `context`", id="two-places"),
        pytest.param({"service": "a", "host": "10.0.0.1:2376"}, "is not an engine's address", id="no-scheme"),
        pytest.param(
            {"service": "a", "host": "tcp://m:2376", "tls": {"ca": "x"}}, "no certificate and no key", id="tls"
        ),
        pytest.param({"service": "a", "publish": "127.0.0.1:80:80"}, "not a published port of a swarm", id="address"),
        pytest.param({"service": "a", "publish": "0:80"}, "not a published port of a swarm", id="port-0"),
        pytest.param({"service": "a", "routing": "ipvs"}, "'ipvs' is not a valid Routing", id="routing"),
        pytest.param({"service": "a", "volumes": "/etc:/etc"}, "not a named volume", id="bind"),
        pytest.param({"service": "a", "constraints": "fast"}, "'fast' is not a constraint", id="constraint"),
        pytest.param(
            {"service": "a", "health": {"interval": "1s"}}, "a command that is run in the instance", id="health"
        ),
        pytest.param({"service": "a", "replicas": 0}, "0 instances serve nobody", id="replicas"),
    ],
)
def test_what_cannot_be_meant_is_said_with_the_environment(given: Mapping[str, Value], words: str) -> None:
    with pytest.raises(UsageError, match=r"environment 'prod': target\.swarm") as caught:
        options(given)
    assert words in caught.value.message
    assert caught.value.hint


def test_everything_reaches_the_service() -> None:
    made = spec(EVERYTHING, strategy=Strategy(kind=StrategyKind.ROLLING, batch=2, pause=7))
    template, container = made["TaskTemplate"], made["TaskTemplate"]["ContainerSpec"]
    assert made["Name"] == "shop"
    assert made["Labels"] == {"team": "lock", "io.ecluse.promotion": "p1"}
    assert made["Mode"] == {"Replicated": {"Replicas": 3}}
    assert made["UpdateConfig"] == {
        "Parallelism": 2, "Delay": 7_000_000_000, "FailureAction": "pause", "Monitor": 2_000_000_000,
        "MaxFailureRatio": 0, "Order": "stop-first",
    }  # fmt: skip
    assert made["EndpointSpec"] == {
        "Mode": "dnsrr",
        "Ports": [
            {"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 80, "PublishMode": "host"},
            {"Protocol": "udp", "TargetPort": 5353, "PublishedPort": 53, "PublishMode": "host"},
        ],
    }
    assert template["Networks"] == [{"Target": "n1", "Aliases": ["shop"]}]
    assert template["Placement"] == {
        "Constraints": ["node.role == worker"],
        "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
        "MaxReplicas": 1,
    }
    assert template["Resources"] == {
        "Limits": {"NanoCPUs": 500_000_000, "MemoryBytes": 64 << 20, "Pids": 100},
        "Reservations": {"NanoCPUs": 250_000_000, "MemoryBytes": 32 << 20},
    }
    assert container["Image"] == ORDER.image
    assert (container["Env"], container["Args"]) == (["A=1", "B=2"], ["serve", "--port", "8080"])
    assert container["Labels"]["io.ecluse.release"] == "sha256:r"
    assert container["Mounts"] == [
        {"Type": "volume", "Source": "data", "Target": "/var/lib/shop", "ReadOnly": True}
    ]  # fmt: skip
    assert container["Healthcheck"]["Test"] == ["CMD", "wget", "localhost"]
    assert container["Healthcheck"]["StartPeriod"] == 3_000_000_000


def test_no_secret_is_in_the_service_itself() -> None:
    made = spec(EVERYTHING)
    assert "open-sluice" not in str(made)
    (secret,) = made["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert (secret["SecretName"], secret["File"]["Name"]) == ("shop-p1-PASSWORD", "PASSWORD")


def test_a_rehearsal_has_no_port_and_no_name_that_anybody_asks_for() -> None:
    made = spec({"service": "shop", "publish": "80:8080", "network": "back"}, part=Part.REHEARSAL)
    assert (made["Name"], made["EndpointSpec"]) == ("shop-rehearsal", {"Mode": "dnsrr", "Ports": []})
    assert made["TaskTemplate"]["Networks"] == [{"Target": "n1", "Aliases": []}]


def test_the_mesh_is_used_unless_the_file_says_host() -> None:
    made = spec({"service": "shop", "publish": "80:8080"})
    assert (made["EndpointSpec"]["Mode"], made["EndpointSpec"]["Ports"][0]["PublishMode"]) == ("vip", "ingress")


MESH = SwarmOptions(service="shop")


@pytest.mark.parametrize(
    ("kind", "batch", "pause", "start_first"),
    [
        pytest.param(None, 1, 1.0, True, id="by-itself"),
        pytest.param(StrategyKind.ROLLING, 1, 1.0, True, id="rolling"),
        pytest.param(StrategyKind.BLUE_GREEN, 0, 0.0, True, id="blue-green"),
        pytest.param(StrategyKind.RECREATE, 0, 0.0, False, id="recreate"),
        pytest.param(StrategyKind.CANARY, 1, 1.0, True, id="canary"),
    ],
)
def test_each_strategy_has_its_pace(kind: StrategyKind | None, batch: int, pause: float, start_first: bool) -> None:
    pace = pace_of(kind and Strategy(kind=kind), MESH)
    assert (pace.batch, pace.pause, pace.start_first) == (batch, pause, start_first)


@pytest.mark.parametrize(
    ("changed", "replicas", "batch"),
    [
        pytest.param({}, 4, 0, id="beside-each-other-all-at-once"),
        pytest.param({"order": UpdateOrder.STOP_FIRST}, 4, 2, id="by-halves"),
        pytest.param({"per_node": 1}, 4, 2, id="no-room-beside-each-other"),
        pytest.param({"order": UpdateOrder.STOP_FIRST}, 1, 1, id="one"),
    ],
)
def test_going_back_leaves_somebody_serving(changed: dict[str, Any], replicas: int, batch: int) -> None:
    assert pace_back(replace(MESH, **changed), replicas).batch == batch


def test_the_swarm_stops_at_a_failure_on_the_way_forward_only() -> None:
    def action(pace: Pace) -> str:
        return str(at_pace({}, pace, settle=1)["UpdateConfig"]["FailureAction"])

    assert [action(pace_of(Strategy(kind=kind), MESH)) for kind in StrategyKind] == ["pause"] * len(StrategyKind)
    assert action(pace_back(MESH, 3)) == "continue"


def test_names_of_objects_fit_and_never_meet() -> None:
    parts = [("shop", "01jdw3r6y1s0a0a0a0a0a0a0a0", "PASSWORD"), ("s" * 51, "01jdw3r6y1s0a0a0a0a0a0a0a0", "N" * 60),
             ("s" * 51, "01jdw3r6y1s0a0a0a0a0a0a0a0", "N" * 61), ("shop", "p", "_")]  # fmt: skip
    names = [object_name(*each) for each in parts]
    assert names[0] == "shop-01jdw3r6y1s0a0a0a0a0a0a0a0-PASSWORD"
    assert len(set(names)) == len(names)
    assert all(len(name) <= LONGEST for name in names)
