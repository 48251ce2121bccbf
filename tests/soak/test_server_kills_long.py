"""Ten minutes of kills of server, worker and runs under signed events: nothing is lost, nothing double."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from environment.command import Command
from environment.postgres import postgres
from environment.progress import UnavailableError
from environment.repository import Repository
from environment.server_kills import PIPELINE, Siege, as_promised
from environment.serving import ground

SECONDS = float(os.environ.get("ECLUSE_TEST_SECONDS", "600"))
SEED = int(os.environ.get("ECLUSE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.fixture(params=["sqlite", "postgresql", "docker"])
def settings(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """Stages as processes with each database; stages in containers, with PostgreSQL."""
    if request.param == "sqlite":
        yield {}
        return
    containers = {}
    if request.param == "docker":
        containers = {"ECLUSE_EXECUTOR": "docker", "ECLUSE_DOCKER_HOST": request.getfixturevalue("engine")}
    try:
        with postgres() as server:
            yield {"ECLUSE_DATABASE": server.url(server.fresh()), **containers}
    except UnavailableError as error:
        pytest.fail(f"test environment: {error}", pytrace=False)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_minutes_of_kills(
    settings: Mapping[str, str],
    ecluse: Command,
    tmp_path: Path,
    git_repo: Callable[..., Repository],
    images: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline = PIPELINE.replace("image: busybox", f"image: {images.busybox}")
    with capsys.disabled(), ground(ecluse, tmp_path, **settings) as made:
        print(f"\nseed {SEED}: repeat with ECLUSE_TEST_SEED={SEED}", flush=True)
        siege = Siege(ground=made, repository=git_repo({"pipeline.yml": pipeline}), drawn=random.Random(SEED))  # noqa: S311 - instants
        siege.begin()
        siege.go_on(SECONDS, events=100_000)
        print(f"{dict(siege.kills)} kills, {len(siege.accepted)} events", flush=True)
        as_promised(siege)
