"""The example's compose file, as both generations of compose read it. It is brought up in tests/soak."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from environment import compose as compose_programs
from environment.places import CHECKOUT

EXAMPLE = CHECKOUT / "examples/server/compose.yml"


@pytest.fixture(params=["plugin", "older"])
def compose(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[tuple[str, ...], Mapping[str, str]]:
    if request.param == "plugin":
        return ("docker", "compose"), {**os.environ, **request.getfixturevalue("compose_plugin")}
    more = compose_programs.older(tmp_path)
    return ("docker-compose",), {**os.environ, "PATH": f"{more['PATH']}:{os.environ['PATH']}"}


def _read(compose: tuple[tuple[str, ...], Mapping[str, str]], **variables: str) -> subprocess.CompletedProcess[str]:
    program, environment = compose
    return subprocess.run(
        [*program, "-f", str(EXAMPLE), "config"],
        env={**environment, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_it_means_the_same_to_both(compose: tuple[tuple[str, ...], Mapping[str, str]]) -> None:
    read = _read(compose, DOCKER_GID="998")
    assert read.returncode == 0, read.stderr
    services: Mapping[str, Any] = yaml.safe_load(read.stdout)["services"]
    assert set(services) == {"server", "worker", "database"}
    for name in ("server", "worker"):
        service = services[name]
        assert service["stop_grace_period"] in ("11m", "11m0s"), "longer than a drain"
        assert (service["read_only"], service["init"], service["cap_drop"]) == (True, True, ["ALL"])
        assert service["environment"]["ECLUSE_DATABASE"] == "postgresql://ecluse@database/ecluse"
        assert "docker.sock" in str(service["volumes"]) if name == "worker" else "docker.sock" not in str(service)
    assert services["worker"]["hostname"] == "worker"
    assert "POSTGRES_PASSWORD" not in services["database"]["environment"]


def test_without_the_group_of_the_socket_it_says_what_is_missing(
    compose: tuple[tuple[str, ...], Mapping[str, str]],
) -> None:
    read = _read((compose[0], {name: value for name, value in compose[1].items() if name != "DOCKER_GID"}))
    assert read.returncode != 0
    assert "stat -c %g /var/run/docker.sock" in read.stderr
