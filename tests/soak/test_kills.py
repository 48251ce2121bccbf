"""Runners killed at random instants: what they leave is found by its labels, removed by gc, and nothing is torn."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable

import pytest
from environment import leftovers as traces
from environment.command import Command
from environment.repository import Repository

KILLS = int(os.environ.get("ECLUSE_SOAK_KILLS", "40"))

PIPELINE = """
version: 1
name: busy
defaults: {{image: "{image}"}}
stages:
  one: {{commands: ["seq 200000", "echo a > a"]}}
  two: {{commands: ["cat a", "sleep 0.2"]}}
  three: {{needs: [one], commands: ["dd if=/dev/zero of=big bs=1M count=20"]}}
  four: {{needs: [two, three], commands: ["ls -l big a"], artifacts: [{{name: a, paths: [a]}}]}}
"""


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kill_9_at_random_instants(
    ecluse: Command, engine: str, installation: str, git_repo: Callable[..., Repository], images: object
) -> None:
    path = git_repo({"pipeline.yml": PIPELINE.format(image=images.busybox)}).path  # type: ignore[attr-defined]
    began = time.monotonic()
    assert ecluse("run", cwd=path).code == 0
    whole = time.monotonic() - began
    drawn = random.Random(20261123)  # noqa: S311 - instants, no secret
    cut = 0
    for _ in range(KILLS):
        with ecluse.started("run", "--json", cwd=path) as process:
            try:
                process.wait(timeout=drawn.uniform(0, whole * 1.1))
            except Exception:  # noqa: BLE001 - the instant has come
                process.kill()
                cut += 1
            process.communicate(timeout=60)
        assert ecluse("gc", "--abandon", cwd=path).code == 0
        assert traces.objects(engine, installation) == {}
        listed = ecluse("runs", "--json", cwd=path)
        assert listed.code == 0, listed.err
        json.loads(listed.out)
    assert cut >= KILLS // 3
    last = ecluse("run", cwd=path)
    assert last.code == 0, last.out + last.err
    assert traces.objects(engine, installation) == {}
