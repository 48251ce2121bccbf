"""Server, worker and runs killed at random instants under load: every accepted event leads to exactly one run."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository
from environment.server_kills import PIPELINE, Siege, as_promised
from environment.serving import ground

SEED = int(os.environ.get("ECLUSE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.fixture
def siege(ecluse: Command, tmp_path: Path, git_repo: Callable[..., Repository]) -> Iterator[Siege]:
    with ground(ecluse, tmp_path) as made:
        subject = Siege(ground=made, repository=git_repo({"pipeline.yml": PIPELINE}), drawn=random.Random(SEED))  # noqa: S311 - instants
        subject.begin()
        yield subject


def test_kills_at_random_instants_lose_nothing_and_double_nothing(siege: Siege) -> None:
    siege.go_on(20, events=12)
    print(f"seed {SEED}: {dict(siege.kills)} kills, {len(siege.accepted)} events")
    as_promised(siege)
