"""Environments that are taken away, by a person and because their time is over, leave nothing on the engine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from environment import leftovers as traces
from environment.command import Command
from environment.repository import Repository

PIPELINE = """
version: 1
name: ends
stages:
  image: {{kind: build}}
  push: {{kind: push, image: image, to: {name}}}
  dev: {{kind: deploy, environment: dev}}
  preview: {{kind: deploy, environment: preview}}
environments:
  dev: {{target: {{docker: {{drain: 0s, settle: 100ms}}}}}}
  preview: {{target: {{docker: {{drain: 0s, settle: 100ms}}}}, review: {{from: branch, lasting: 1ms}}}}
"""


@pytest.fixture
def repository(git_repo: Callable[..., Repository], images: Any, registry: str, engine: str) -> Iterator[Repository]:
    """On a branch of its own."""
    name = f"{registry}/e2e/{uuid4().hex}"
    made = git_repo(
        {"pipeline.yml": PIPELINE.format(name=name), "Dockerfile": f"FROM {images.busybox}\nCMD sleep 600\n"}
    )
    made.git("checkout", "-q", "-b", "login")
    yield made
    words = ("docker", "images", "--format", "{{.ID}}", "--filter", f"reference={name}")
    for image in set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()):
        subprocess.run(["docker", "rmi", "--force", image], capture_output=True)


def test_nothing_is_left_of_environments_that_are_taken_away(
    ecluse: Command, repository: Repository, installation: str, engine: str, tmp_path: Path
) -> None:
    def left(*, of: str) -> set[str]:
        marked = f"{installation[:8]}-ends-{of}"
        return {kind for name, kind in traces.objects(engine, installation).items() if marked in name}

    done = ecluse("run", "--plain", cwd=repository.path)
    assert done.code == 0, done.out + done.err
    for name in ("dev", "preview-login"):
        assert left(of=name) == {"container", "network", "volume"}, "the volume is the mark of the newest lease"
    taken = ecluse("gc", cwd=repository.path)
    assert taken.code == 0, taken.err
    assert "took away preview-login" in taken.out
    assert (left(of="preview-login"), left(of="dev")) == (set(), {"container", "network", "volume"})
    removed = ecluse("env", "remove", "dev", "--yes", cwd=repository.path)
    assert removed.code == 0, removed.err
    assert left(of="dev") == set()
    assert ecluse("ledger", "verify", cwd=repository.path).code == 0
