"""Runners killed at random instants a hundred times over a real pipeline: each resumes as if nothing had happened."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from environment.command import Command
from environment.disturbed import Proof, counting, pipeline
from environment.repository import Repository
from environment.servers import free_port

from pipeline.diagnostic import Position
from pipeline.model.definition import EnvironmentDefinition
from pipeline.settings import Settings
from pipeline.targets.docker.target import DockerTarget

KILLS = int(os.environ.get("ECLUSE_TEST_KILLS", "100"))
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
        yield Proof(ecluse=ecluse, repository=git_repo(files), counter=counter, drawn=random.Random(SEED))  # noqa: S311 - instants
    environment = EnvironmentDefinition(name="dev", position=Position(file="", line=1, column=1))
    DockerTarget(environment, Settings(home=tmp_home, docker_host=engine), service="proof").remove()


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_a_hundred_kills_at_random_instants_change_nothing(proof: Proof, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nseed {SEED}: repeat with ECLUSE_TEST_SEED={SEED}", flush=True)
        peace = proof.undisturbed()
        number = 0
        while proof.kills < KILLS:
            number += 1
            assert proof.disturbed(number) == peace, f"run {number} of seed {SEED}: {proof.told[-3:]}"
            print(f"run {number}: {proof.kills} of {KILLS} kills, all as in peace", flush=True)
