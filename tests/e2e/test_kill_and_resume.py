"""A runner that is killed with -9 at random instants, and resumed: as if nothing had happened."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from environment import leftovers as traces
from environment.command import Command
from environment.disturbed import SECRET, Proof, counting, pipeline
from environment.repository import Repository
from environment.servers import free_port

from pipeline.diagnostic import Position
from pipeline.model.definition import EnvironmentDefinition
from pipeline.settings import Settings
from pipeline.targets.docker.target import DockerTarget

KILLS = 4
"""The soak has a hundred."""
SEED = int(os.environ.get("ECLUSE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.fixture
def proof(
    ecluse: Command,
    git_repo: Callable[..., Repository],
    images: object,
    registry: str,
    engine: str,
    tmp_home: Path,
) -> Iterator[Proof]:
    with counting() as counter:
        files = pipeline(
            image=images.busybox,  # type: ignore[attr-defined]
            registry=registry,
            name=f"proof/{uuid4().hex}",
            counter=counter,
            serve=free_port(),
        )
        yield Proof(
            ecluse=ecluse,
            repository=git_repo(files),
            counter=counter,
            drawn=random.Random(SEED),  # noqa: S311 - instants
        )
    environment = EnvironmentDefinition(name="dev", position=Position(file="", line=1, column=1))
    DockerTarget(environment, Settings(home=tmp_home, docker_host=engine), service="proof").remove()


@pytest.mark.timeout(3600)
def test_kills_at_random_instants_change_nothing(proof: Proof, engine: str, installation: str) -> None:
    print(f"seed {SEED}: repeat with ECLUSE_TEST_SEED={SEED}")
    peace = proof.undisturbed()
    assert peace.hits == {"four": 1, "one": 1, "three": 1, "two": 1}
    assert peace.promotions == ["deployed"]
    assert SECRET not in str(peace)
    number = 0
    while proof.kills < KILLS:
        number += 1
        assert proof.disturbed(number) == peace, f"run {number} of seed {SEED}: {proof.told[-3:]}"
    left = {name for name in traces.objects(engine, installation) if "proof" not in name}
    assert left == set()
