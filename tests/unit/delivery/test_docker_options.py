"""What a docker target's options mean, and which cannot."""

from __future__ import annotations

import pytest

from pipeline.diagnostic import Position
from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.value import Options
from pipeline.targets.docker.handover import host_of
from pipeline.targets.docker.options import DockerOptions, Health, Published, WarmUp, docker_options


def parse(options: Options) -> DockerOptions:
    return docker_options(
        EnvironmentDefinition(name="dev", position=Position(file="p", line=1, column=1), target=options)
    )


@pytest.mark.parametrize(
    ("options", "parsed"),
    [
        pytest.param({}, DockerOptions(), id="nothing"),
        pytest.param(
            {"publish": ["8080:80", "127.0.0.1:81:81/udp", "[::1]:82:82"]},
            DockerOptions(
                publish=(
                    Published(address="0.0.0.0", host=8080, port=80),
                    Published(address="127.0.0.1", host=81, port=81, protocol="udp"),
                    Published(address="::1", host=82, port=82),
                )
            ),
            id="publish",
        ),
        pytest.param({"health": "true"}, DockerOptions(health=Health(command=("CMD-SHELL", "true"))), id="health-line"),
        pytest.param(
            {"health": {"command": ["a", "b"], "within": "2m", "interval": "500ms", "retries": 9}},
            DockerOptions(health=Health(command=("CMD", "a", "b"), within=120, interval=0.5, retries=9)),
            id="health-words",
        ),
        pytest.param({"health": {"tcp": 5432}}, DockerOptions(health=Health(port=5432)), id="health-tcp"),
        pytest.param({"command": "serve --on 'a b'"}, DockerOptions(command=("serve", "--on", "a b")), id="command"),
        pytest.param(
            {"resources": {"cpu": 0.5, "memory": "64MiB", "pids": 9}, "drain": "3s", "warm_up": "outbound"},
            DockerOptions(cpu=0.5, memory=64 << 20, pids=9, drain=3, warm_up=WarmUp.OUTBOUND),
            id="limits",
        ),
    ],
)
def test_options_are_parsed_once(options: Options, parsed: DockerOptions) -> None:
    assert parse(options) == parsed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"replicas": 3}, "runs one container, not 3", id="replicas"),
        pytest.param({"publish": "8080"}, "'8080' is not a published port", id="no-container-port"),
        pytest.param({"publish": "70000:80"}, "'70000:80' is not a published port", id="port-too-big"),
        pytest.param({"volumes": "/etc:/etc"}, "'/etc:/etc' is not a named volume", id="host-path"),
        pytest.param({"drain": "soon"}, "'soon' is not a duration", id="duration"),
        pytest.param({"warm_up": "hot"}, "'hot' is not a valid WarmUp", id="warm-up"),
    ],
)
def test_what_cannot_work_names_the_environment(options: Options, message: str) -> None:
    with pytest.raises(UsageError, match=r"environment 'dev': target\.docker") as caught:
        parse(options)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("address", "host"),
    [
        pytest.param("unix:///var/run/docker.sock", "127.0.0.1", id="socket"),
        pytest.param("tcp://10.0.0.7:2376", "10.0.0.7", id="tcp"),
        pytest.param("ssh://deploy@host", "host", id="ssh"),
    ],
)
def test_where_the_ports_of_an_engine_are(address: str, host: str) -> None:
    assert host_of(address) == host
