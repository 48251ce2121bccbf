"""From a commit to a service on three nodes, and back from a version that is bad: the real command on a real swarm."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path

from environment.command import Command
from environment.repository import Repository
from environment.swarm import Swarm

from pipeline.diagnostic import Position
from pipeline.model.definition import EnvironmentDefinition
from pipeline.settings import Settings
from pipeline.targets.swarm.target import SwarmTarget

PIPELINE = """
version: 1
name: lockhouse
stages:
  image: {{kind: build}}
  push: {{kind: push, image: image, to: {registry}/lockhouse}}
  dev: {{kind: deploy, environment: dev}}
  smoke: {{kind: smoke, environment: dev, checks: [{{http: /, json: {{status: ok}}, within: 5s}}]}}
environments:
  dev:
    target:
      swarm: {{service: {service}, replicas: 2, publish: "{port}:8080", routing: host, drain: 1s, settle: 200ms}}
    strategy: {{canary: {{steps: [50%, 100%], pause: 200ms}}}}
"""


def files(*, status: str, number: int) -> dict[str, str]:
    return {"index.html": json.dumps({"status": status, "number": number})}


def test_a_good_commit_goes_live_on_the_swarm_and_a_bad_one_does_not(
    ecluse: Command, git_repo: Callable[..., Repository], swarm: Swarm, swarm_image: str, tmp_home: Path
) -> None:
    service, port = f"lockhouse-{secrets.token_hex(3)}", 20_000 + secrets.randbelow(10_000)
    repository = git_repo(
        {
            "pipeline.yml": PIPELINE.format(registry=swarm.registry, service=service, port=port),
            "Dockerfile": f"FROM {swarm_image}\nCOPY index.html /w/\nCMD httpd -f -p 8080 -h /w\n",
            **files(status="ok", number=1),
        }
    )
    variables = {"DOCKER_HOST": swarm.manager.url}
    environment = EnvironmentDefinition(
        name="dev", position=Position(file="", line=1, column=1), target={"service": service}
    )
    target = SwarmTarget(environment, Settings(home=tmp_home, docker_host=swarm.manager.url), service="lockhouse")

    def serving() -> list[str]:
        return [item.release for item in target.observe().serving]

    try:
        first = ecluse("run", cwd=repository.path, env=variables)
        assert first.code == 0, first.out + first.err
        before = serving()
        assert (len(before), len(set(before))) == (2, 1)

        repository.commit(files(status="ok", number=2))
        second = ecluse("run", cwd=repository.path, env=variables)
        assert second.code == 0, second.out + second.err
        live = serving()
        assert (len(live), len(set(live)), set(live) & set(before)) == (2, 1, set())
        assert "50% of the traffic goes to the new version" in second.out
        assert swarm.manager.docker("config", "ls", "-q", "-f", f"name={service}") == ""

        repository.commit(files(status="bad", number=3))
        third = ecluse("run", cwd=repository.path, env=variables)
        assert third.code == 5, third.out + third.err
        assert serving() == live
    finally:
        target.remove()
