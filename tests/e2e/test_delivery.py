"""From a commit to a verified deployment, back again, and through a runner that is killed: the real command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from environment.command import Command
from environment.prometheus import Pushgateway
from environment.repository import Repository
from environment.servers import free_port

from pipeline.diagnostic import Position
from pipeline.model.definition import EnvironmentDefinition
from pipeline.settings import Settings
from pipeline.targets.docker.target import DockerTarget

PIPELINE = """
version: 1
name: shop
stages:
  image: {{kind: build}}
  push: {{kind: push, image: image, to: {registry}/{name}}}
  dev: {{kind: deploy, environment: dev}}
  smoke:
    kind: smoke
    environment: dev
    for: {lasting}
    checks:
      - {{name: status, http: /, json: {{status: ok}}, within: 5s}}
      - {{name: page, command: test -e /w/index.html}}
environments:
  dev:
    target: {{docker: {{publish: ["127.0.0.1:{port}:8080"], drain: 1s}}}}
    supervision: [{{prometheus: {{pushgateway: "{pushgateway}"}}}}]
"""


def files(*, status: str, number: int) -> dict[str, str]:
    return {"index.html": json.dumps({"status": status, "number": number})}


@dataclass
class Shop:
    """A repository whose pipeline deploys a page, and the port where it is served."""

    repository: Repository
    port: int
    text: Callable[[str], str]

    def number(self) -> int:
        """Which version answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return int(json.load(answer)["number"])


@pytest.fixture
def shop(
    git_repo: Callable[..., Repository],
    images,
    registry: str,
    pushgateway: Pushgateway,
    engine: str,
    tmp_home: Path,
    installation: str,
) -> Iterator[Shop]:
    port, name = free_port(), f"e2e/{uuid4().hex}"

    def text(lasting: str) -> str:
        return PIPELINE.format(registry=registry, name=name, port=port, pushgateway=pushgateway.url, lasting=lasting)

    start = {
        "pipeline.yml": text("1s"),
        "Dockerfile": f"FROM {images.busybox}\nCOPY index.html /w/\nCMD httpd -f -p 8080 -h /w\n",
        **files(status="ok", number=1),
    }
    yield Shop(repository=git_repo(start), port=port, text=text)
    environment = EnvironmentDefinition(name="dev", position=Position(file="", line=1, column=1))
    DockerTarget(environment, Settings(home=tmp_home, docker_host=engine), service="shop").remove()
    listing = ("docker", "images", "--format", "{{.ID}}", "--filter", f"reference=ecluse-local/{installation[:8]}/*")
    pulled = ("docker", "images", "--format", "{{.ID}}", "--filter", f"reference={registry}/{name}")
    for command in (listing, pulled):
        for image in set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()):
            subprocess.run(["docker", "rmi", "--force", image], capture_output=True)


def test_an_environment_runs_from_its_own_repository_and_its_log_is_read(
    ecluse: Command, shop: Shop, registry: str
) -> None:
    own = f"{registry}/e2e/{uuid4().hex}"
    text = shop.text("0s").replace("    target:", f"    registry: {own}\n    target:")
    text = text.replace(
        "{name: page,", "{name: log, log: {pattern: 'complains', every: 200ms, for: 1s}}\n      - {name: page,"
    )
    shop.repository.commit({"pipeline.yml": text})
    done = ecluse("run", cwd=shop.repository.path)
    assert (done.code, shop.number()) == (0, 1), done.out + done.err
    assert "log: pass: 0 lines match" in done.out
    container = ("docker", "ps", "--quiet", "--filter", f"publish={shop.port}")
    serving = subprocess.run(container, capture_output=True, text=True, check=True).stdout.strip()
    look = ("docker", "inspect", "-f", "{{.Config.Image}}", serving)
    image = subprocess.run(look, capture_output=True, text=True, check=True).stdout.strip()
    assert image.startswith(f"{own}@sha256:")
    shown = ecluse("show", "1", "smoke", cwd=shop.repository.path)
    assert "● log ▄▄" in shown.out, shown.out

    loud = "CMD echo complains; httpd -f -p 8080 -h /w\n"
    dockerfile = (shop.repository.path / "Dockerfile").read_text().rpartition("CMD")[0] + loud
    shop.repository.commit({"Dockerfile": dockerfile, **files(status="ok", number=2)})
    done = ecluse("run", cwd=shop.repository.path)
    assert (done.code, shop.number()) == (5, 1), done.out + done.err
    assert "log: 1 line matches (ecluse-" in done.out
    listing = ("docker", "images", "--quiet", "--filter", f"reference={own}")
    for copy in set(subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()):
        subprocess.run(["docker", "rmi", "--force", copy], capture_output=True)


def test_a_good_commit_goes_live_and_a_bad_one_does_not(ecluse: Command, shop: Shop, pushgateway: Pushgateway) -> None:
    first = ecluse("run", cwd=shop.repository.path)
    assert (first.code, shop.number()) == (0, 1), first.out + first.err
    assert 'check="status"' in pushgateway.metrics()

    shop.repository.commit(files(status="bad", number=2))
    second = ecluse("run", cwd=shop.repository.path)
    assert (second.code, shop.number()) == (5, 1), second.out + second.err
    assert (
        'status: json .status is "bad", wants "ok" (1 of 2 checks failed); the old version serves again' in second.out
    )

    shop.repository.commit(files(status="ok", number=3))
    third = ecluse("run", cwd=shop.repository.path)
    assert (third.code, shop.number()) == (0, 3), third.out + third.err
    assert "ms without an answer" in third.out

    history = ecluse("history", "dev", cwd=shop.repository.path)
    assert [word for word in ("deployed", "rolled back") if word not in history.out] == []
    _where_it_comes_from(ecluse, shop)


def _where_it_comes_from(ecluse: Command, shop: Shop) -> None:
    """From what runs back to people and commits, and how well it was delivered."""

    def told(*words: str) -> str:
        done = ecluse(*words, cwd=shop.repository.path)
        assert (done.code, done.err) == (0, ""), done.out + done.err
        return done.out

    names = [item["release"]["name"] for item in json.loads(told("releases", "--json"))]
    newest, bad, oldest = names
    why = told("why", "dev")
    for words in (
        f"dev runs {newest}, as the ledger says",
        f"in place of {oldest}",
        "run 3 on main",
        "by Marin Lock (2)",
    ):
        assert words in why
    assert newest in told("env", "drift")
    lineage = json.loads(told("why", "dev", "--json"))
    assert (lineage["drifted"], lineage["lineage"]["release"]["name"]) == (False, newest)
    notes = json.loads(told("notes", oldest, newest, "--json"))
    assert len(notes["added"]) == 2
    assert "takes away 1 commit" in told("notes", newest, bad)
    assert "live nowhere" in told("release", "show", bad)
    figures = json.loads(told("dora", "dev", "--json"))
    assert (figures["deployments"], figures["failures"], figures["restored"]) == (2, 1, 1)
    assert figures["failure_rate"] == pytest.approx(1 / 3)
    assert [step["name"] for step in figures["stream"]] == ["commit → run", "run → dev"]
    assert newest in told("board")
    levels = json.loads(told("board", "--json"))["levels"]
    assert [(level["environment"], level["release"]["name"], level["candidate"]) for level in levels] == [
        ("dev", newest, None)
    ]
    unknown = ecluse("why", "prod", cwd=shop.repository.path)
    assert (unknown.code, "deployed: dev" in unknown.err) == (2, True)


def test_a_dirty_tree_is_refused(ecluse: Command, shop: Shop) -> None:
    shop.repository.write(files(status="ok", number=2))
    result = ecluse("run", cwd=shop.repository.path)
    assert result.code == 4, result.out + result.err
    assert "takes no release with uncommitted changes" in result.out


def test_what_a_killed_run_left_unverified_is_taken_back_by_the_next_one(ecluse: Command, shop: Shop) -> None:
    assert ecluse("run", cwd=shop.repository.path).code == 0
    shop.repository.commit({"pipeline.yml": shop.text("10m"), **files(status="ok", number=2)})
    with ecluse.started("run", cwd=shop.repository.path) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "status: pass" in line:
                break
        os.kill(running.pid, signal.SIGKILL)
        running.wait(30)
    assert shop.number() == 2

    shop.repository.commit({"pipeline.yml": shop.text("1s"), **files(status="bad", number=3)})
    result = ecluse("run", cwd=shop.repository.path)
    assert (result.code, shop.number()) == (5, 1), result.out + result.err
    assert "was left verifying by run" in result.out
    abandoned = ecluse("gc", "--abandon", cwd=shop.repository.path)
    assert abandoned.code == 0, abandoned.out + abandoned.err
    assert shop.number() == 1
