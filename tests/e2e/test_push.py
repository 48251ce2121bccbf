"""`kind: push` through the real command, engine and registries."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

import pytest
from environment.command import Command
from environment.registry import answers, configure
from environment.repository import Repository
from environment.servers import free_port, serving

MakeRepository = Callable[..., Repository]


def pipeline(to: str, more: str = "") -> str:
    return (
        "version: 1\nname: shop\nstages:\n  image: {kind: build}\n"
        f"  push: {{kind: push, image: image, to: {to}, tags: [one, two]{more}}}\n"
    )


def dockerfile(busybox: str, *, megabytes: int = 0) -> str:
    filler = f" && dd if=/dev/urandom of=/filler bs=1M count={megabytes} 2>/dev/null" if megabytes else ""
    return f"FROM {busybox}\nRUN echo {uuid4().hex} > /unique{filler}\n"


def digest(registry: str, repository: str, tag: str) -> str:
    """What the registry itself answers."""
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    request = urllib.request.Request(
        f"http://{registry}/v2/{repository}/manifests/{tag}", headers={"Accept": kinds}, method="HEAD"
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return str(answer.headers["Docker-Content-Digest"])


@pytest.fixture(autouse=True)
def _no_images_left(engine: str, installation: str) -> Iterator[None]:
    yield
    listing = ("docker", "images", "--quiet", "--filter", f"reference=ecluse-local/{installation[:8]}/*")
    for name in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split():
        subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=True)


@contextmanager
def registry_at(folder: Path, port: int) -> Iterator[None]:
    with serving(configure(folder, port, login=False), log=folder / "log", ready=lambda: answers(port)):
        yield


def test_the_registry_has_what_the_run_says_and_pushing_again_changes_nothing(
    ecluse: Command, git_repo: MakeRepository, images, registry: str
) -> None:
    name = f"e2e/{uuid4().hex}"
    files = {"pipeline.yml": pipeline(f"{registry}/{name}"), "Dockerfile": dockerfile(images.busybox)}
    repository = git_repo(files)
    first = ecluse("run", cwd=repository.path)
    assert (first.code, first.err) == (0, "")
    has = digest(registry, name, "one")
    assert digest(registry, name, "two") == has
    assert f"{registry}/{name}@{has[:19]} pushed as one, two" in first.out
    again = ecluse("run", cwd=repository.path)
    assert f"{registry}/{name}@{has[:19]} was already there as one, two" in again.out
    assert digest(registry, name, "one") == has
    left = subprocess.run(["docker", "images", f"{registry}/{name}"], capture_output=True, text=True, check=True)
    assert name not in left.stdout


def test_runs_at_once_push_the_same_tags_one_after_the_other(
    ecluse: Command, git_repo: MakeRepository, images, registry: str
) -> None:
    name = f"e2e/{uuid4().hex}"
    files = {"pipeline.yml": pipeline(f"{registry}/{name}"), "Dockerfile": dockerfile(images.busybox, megabytes=8)}
    repository = git_repo(files)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: ecluse("run", cwd=repository.path), range(3)))
    assert [(result.code, result.err) for result in results] == [(0, "")] * 3
    assert digest(registry, name, "one") == digest(registry, name, "two")
    left = subprocess.run(["docker", "images", f"{registry}/{name}"], capture_output=True, text=True, check=True)
    assert name not in left.stdout


def test_a_login_from_secrets(ecluse: Command, git_repo: MakeRepository, images, registry_with_login) -> None:
    where = registry_with_login
    files = {
        "pipeline.yml": pipeline(
            f"{where.address}/e2e/{uuid4().hex}", f", login: {{username: {where.user}, password: REGISTRY_TOKEN}}"
        ),
        "Dockerfile": dockerfile(images.busybox),
    }
    repository = git_repo(files)
    wrong = ecluse("run", cwd=repository.path, env={"ECLUSE_SECRET_REGISTRY_TOKEN": "not-the-password"})
    assert wrong.code == 3
    assert f"the registry {where.address} does not let this login write to" in wrong.out
    assert "docker login" in wrong.out + wrong.err
    assert "not-the-password" not in wrong.out + wrong.err
    right = ecluse("run", cwd=repository.path, env={"ECLUSE_SECRET_REGISTRY_TOKEN": where.password})
    assert (right.code, right.err) == (0, "")
    missing = ecluse("run", cwd=repository.path)
    assert missing.code in (2, 3)
    assert "REGISTRY_TOKEN" in missing.out + missing.err


def test_a_registry_that_is_down_and_comes_back(
    ecluse: Command, git_repo: MakeRepository, images, tmp_path: Path
) -> None:
    port = free_port()
    name = f"e2e/{uuid4().hex}"
    files = {"pipeline.yml": pipeline(f"127.0.0.1:{port}/{name}"), "Dockerfile": dockerfile(images.busybox)}
    with ecluse.started("run", cwd=git_repo(files).path) as run:
        rows = Rows(run.stdout)
        rows.until("trying again in")
        with registry_at(tmp_path / "registry", port):
            rows.until("● push succeeded")
            assert run.wait(60) == 0
            assert digest(f"127.0.0.1:{port}", name, "two").startswith("sha256:")


def test_a_registry_that_dies_in_the_middle_and_comes_back(
    ecluse: Command, git_repo: MakeRepository, images, tmp_path: Path
) -> None:
    port = free_port()
    name = f"e2e/{uuid4().hex}"
    files = {
        "pipeline.yml": pipeline(f"127.0.0.1:{port}/{name}"),
        "Dockerfile": dockerfile(images.busybox, megabytes=60),
    }
    with ecluse.started("run", cwd=git_repo(files).path) as run:
        rows = Rows(run.stdout)
        with registry_at(tmp_path / "registry", port):
            rows.until("Pushing")
        rows.until("etrying in", "trying again in")
        with registry_at(tmp_path / "registry", port):
            rows.until("● push succeeded")
            assert run.wait(60) == 0
            said = next(row for row in rows.seen if "● push succeeded" in row)
            assert digest(f"127.0.0.1:{port}", name, "one")[:19] in said


def test_names_that_no_registry_takes_are_errors_of_the_file(
    ecluse: Command, git_repo: MakeRepository, registry: str
) -> None:
    repository = git_repo({"pipeline.yml": pipeline(f"{registry}/Shop:1"), "Dockerfile": "FROM scratch\n"})
    ended = ecluse("check", "--format", "json", cwd=repository.path)
    assert ended.code == 2
    assert f"'{registry}/Shop:1' is not a repository" in json.dumps(json.loads(ended.out), ensure_ascii=False)


class Rows:
    """The lines of a running command, as they come."""

    def __init__(self, stream: IO[str] | None) -> None:
        assert stream is not None
        self.seen: list[str] = []
        self._coming: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def until(self, *texts: str) -> str:
        """The next line that holds one of the texts; fails when the output ends or nothing comes for two minutes."""
        while (row := self._coming.get(timeout=120)) is not None:
            self.seen.append(row)
            if any(text in row for text in texts):
                return row
        raise AssertionError(f"none of {texts} in:\n" + "".join(self.seen))

    def _read(self, stream: IO[str]) -> None:
        for row in stream:
            self._coming.put(row)
        self._coming.put(None)
