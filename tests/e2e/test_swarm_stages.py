"""The real command with stages on a real swarm: a run to its end, and a look into what failed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository
from environment.servers import eventually
from environment.swarm import Node, Swarm

FILE = """
version: 1
name: shop
stages:
  build:
    image: {image}
    secrets: [TOKEN]
    commands: ["cat greeting", "echo \\"${{#TOKEN}} $TOKEN\\"", "mkdir out", "echo made > out/file"]
  check:
    needs: build
    image: {image}
    commands: ["cat out/file", "{check}"]
"""


@pytest.fixture
def swarming(swarm: Swarm, swarm_python: str, ecluse: Command) -> Iterator[dict[str, str]]:
    """Variables with which the command runs its stages there; in the end nothing is left."""
    sockets = swarm.manager.folder.parent
    variables = {
        "ECLUSE_EXECUTOR": "swarm",
        "ECLUSE_DOCKER_HOST": swarm.manager.url,
        "ECLUSE_SWARM_IMAGE": swarm_python,
        "ECLUSE_SWARM_SOCKET": f"{sockets}/{{{{.Node.Hostname}}}}/docker.sock",
        "ECLUSE_SWARM_ENGINES": f"unix://{sockets}/{{hostname}}/docker.sock",
        "ECLUSE_SECRET_TOKEN": "vErY-sEcReT",
    }
    yield variables
    ecluse("gc", "--abandon", env=variables)
    left = [node.docker("ps", "-aq", "--filter", "label=io.ecluse.run") for node in swarm.nodes]
    assert left == [""] * len(swarm.nodes)


@pytest.fixture
def shop(git_repo: Callable[..., Repository], swarm_image: str) -> Callable[[str], Path]:
    """A repository whose last stage does this."""

    def make(check: str) -> Path:
        return git_repo({"greeting": "moin\n", "pipeline.yml": FILE.format(image=swarm_image, check=check)}).path

    return make


def test_a_run_goes_over_the_swarm_and_a_failed_stage_can_be_looked_into(
    ecluse: Command, swarming: Mapping[str, str], shop: Callable[[str], Path], swarm: Swarm
) -> None:
    where = shop("exit 3")
    done = ecluse("run", "--keep-failed", cwd=where, env=swarming)
    assert done.code == 1, done.out + done.err
    log = ecluse("logs", "last", "build", cwd=where, env=swarming).out
    assert "moin" in log
    assert "11 ***" in log
    looked = ecluse("shell", "last", "check", "--", "cat", "out/file", "greeting", cwd=where, env=swarming)
    assert (looked.code, looked.out) == (0, "made\nmoin\n"), looked.err
    examined = ecluse("doctor", env=swarming).out
    assert "swarm: a manager, 3 of 3 ready" in examined
    settings = {**swarming, "ECLUSE_KEEP_FAILED_HOURS": "0"}
    ecluse("gc", env=settings)
    assert swarm.manager.docker("service", "ls", "--quiet", "--filter", "label=io.ecluse.run") == ""


def outlive_a_node(ecluse: Command, swarming: Mapping[str, str], shop: Callable[[str], Path], swarm: Swarm) -> None:
    """The first attempt waits for ever on node2 or node3, the next one finds the other."""
    variables = {**swarming, "ECLUSE_SWARM_CONSTRAINTS": "node.hostname!=node1"}
    where = shop("test $(hostname) = none || until [ -e /tmp/go ]; do sleep 0.2; done")
    with ecluse.started("run", cwd=where, env=variables) as running:
        victim = eventually(lambda: _holder(swarm), seconds=120, what="the stage to run")
        victim.kill()
        try:
            other = eventually(lambda: _holder(swarm, victim), seconds=120, what="the stage to run elsewhere")
            container = _checks(other)[0]
            other.docker("exec", container, "touch", "/tmp/go")
            out, err = running.communicate(timeout=120)
        finally:
            victim.restart()
            swarm.await_nodes(3)
    assert running.returncode == 0, out + err
    shown = ecluse("show", "last", cwd=where, env=variables).out
    assert f"node {victim.name} is lost" in shown + out + err


def _holder(swarm: Swarm, gone: Node | None = None) -> Node | None:
    """The node on which the last stage runs."""
    found = [node for node in swarm.nodes if node is not gone and _checks(node)]
    return found[0] if found else None


def _checks(node: Node) -> list[str]:
    try:
        return node.docker(
            "ps", "--quiet", "--filter", "label=io.ecluse.stage=check", "--filter", "label=io.ecluse.role=stage"
        ).split()
    except subprocess.CalledProcessError:
        return []
