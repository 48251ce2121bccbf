"""`gc` on a real engine: by label only, and never what somebody still wants to look into."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator

import pytest
from environment.command import Command
from environment.repository import Repository

PIPELINE = """\
version: 1
name: shop
stages:
  unit: {{image: {image}, commands: ["echo made > made.txt", exit 3]}}
"""


@pytest.fixture
def stranger(engine: str, images: object) -> Iterator[str]:
    """A container, a volume and a network of somebody else, with names as ours but without our label."""
    import docker

    client = docker.APIClient(base_url=engine)
    name = f"ecluse-stranger-{secrets.token_hex(4)}"
    labels = {"io.ecluse.installation": "somebody-else", "io.ecluse.run": "01jd", "io.ecluse.role": "stage"}
    client.create_container(images.busybox, name=name, command=["true"], labels=labels)  # type: ignore[attr-defined]
    client.create_volume(name, labels=labels)
    client.create_network(name, labels=labels)
    yield name
    client.remove_container(name)
    client.remove_volume(name)
    client.remove_network(name)
    client.close()


def test_what_is_kept_stays_its_time_and_strangers_stay_for_ever(
    ecluse: Command,
    git_repo: Callable[..., Repository],
    images: object,
    leftovers: Callable[[], dict[str, str]],
    stranger: str,
) -> None:
    repository = git_repo({"pipeline.yml": PIPELINE.format(image=images.busybox)})  # type: ignore[attr-defined]
    before = set(leftovers())
    assert ecluse("run", "--keep-failed", cwd=repository.path).code == 1
    kept = set(leftovers()) - before
    assert kept
    env = {"ECLUSE_KEEP_RUNS_DAYS": "0.000001", "ECLUSE_KEEP_RUNS_MOST": "1"}
    for _ in range(11):
        assert ecluse("run", "--executor", "process", cwd=repository.path).code == 1
    ended = ecluse("gc", cwd=repository.path, env=env)
    assert ended.code == 0, ended.err
    assert set(leftovers()) - before == kept
    assert ecluse("show", "1", cwd=repository.path).code == 0
    assert ecluse("show", "2", cwd=repository.path).code == 2
    assert ecluse("gc", cwd=repository.path, env={**env, "ECLUSE_KEEP_FAILED_HOURS": "0"}).code == 0
    assert set(leftovers()) - before == set()
    assert ecluse("gc", cwd=repository.path, env=env).code == 0
    assert ecluse("show", "1", cwd=repository.path).code == 2
    assert len(json.loads(ecluse("runs", "--json", cwd=repository.path).out)) == 10
