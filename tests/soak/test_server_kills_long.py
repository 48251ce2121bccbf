"""Ten minutes of kills of server, worker and runs under signed events: nothing is lost, nothing double."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository
from environment.server_kills import PIPELINE, Siege, as_promised
from environment.serving import ground

SECONDS = float(os.environ.get("ECLUSE_TEST_SECONDS", "600"))
SEED = int(os.environ.get("ECLUSE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_minutes_of_kills(
    ecluse: Command, tmp_path: Path, git_repo: Callable[..., Repository], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled(), ground(ecluse, tmp_path) as made:
        print(f"\nseed {SEED}: repeat with ECLUSE_TEST_SEED={SEED}", flush=True)
        siege = Siege(ground=made, repository=git_repo({"pipeline.yml": PIPELINE}), drawn=random.Random(SEED))  # noqa: S311 - instants
        siege.begin()
        siege.go_on(SECONDS, events=100_000)
        print(f"{dict(siege.kills)} kills, {len(siege.accepted)} events", flush=True)
        as_promised(siege)
