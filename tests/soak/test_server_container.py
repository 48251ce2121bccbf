"""The server as its image and its compose file bring it up: a push becomes a run, and nothing is lost when it goes."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from environment import compose as compose_programs
from environment.git_http import GitServer, git_server
from environment.repository import Repository
from environment.servers import free_port
from environment.serving import awaited

from pipeline.forges.post_receive import install

PIPELINE = """
version: 1
name: shop
triggers: {push: {}}
stages:
  one:
    image: IMAGE
    source: false
    commands: ["echo begun; i=0; while [ $i -lt PAUSE ]; do sleep 1; i=$((i+1)); done; echo ended"]
"""
PASSWORD = "seven grey herons wade"
UID = 10001
POSTGRES = """
services:
  server: {extra_hosts: ["forge:host-gateway"]}
  worker: {extra_hosts: ["forge:host-gateway"]}
  database:
    entrypoint: ["sh", "-ec"]
    command: ['POSTGRES_PASSWORD=$$(cat $$POSTGRES_PASSWORD_FILE) exec postgres-entrypoint.sh postgres']
"""
"""The test environment's PostgreSQL takes its password from a variable only; and how the containers reach the forge."""


@dataclass(kw_only=True)
class Project:
    """The compose project, and the browser that is signed in to its server."""

    words: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str]
    address: str

    def compose(self, *words: str, check: bool = True, **variables: str) -> str:
        """What compose said."""
        done = subprocess.run(
            [*self.words, *words],
            cwd=self.folder,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def ecluse(self, *words: str) -> Any:
        """The command within the server's container, with --json."""
        return json.loads(self.compose("exec", "-T", "server", "ecluse", *words, "--json"))

    def facts(self, service: str) -> Mapping[str, Any]:
        """What the engine knows of a service's container."""
        id_ = self.compose("ps", "-a", "-q", service, check=False).strip()
        asked = ["docker", "inspect", id_]
        return dict(
            json.loads(subprocess.run(asked, env=dict(self.variables), capture_output=True, check=True).stdout)[0]
        )

    def up(self, **variables: str) -> None:
        """Bring it up, and wait until the server's own health check is content."""
        self.compose("up", "-d", "--no-build", **variables)
        awaited(lambda: self.facts("server")["State"]["Health"]["Status"] == "healthy", self.logs)

    def logs(self) -> str:
        """What all containers said."""
        return self.compose("logs", "--no-color", check=False)

    def run(self, number: int, holds: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """The run of that number, once this is true of it."""

        def look() -> Mapping[str, Any] | None:
            found = [run for run in self.ecluse("runs") if run["number"] == number]
            return found[0] if found and holds(found[0]) else None

        return awaited(look, self.logs, patience=90)

    def log(self, number: int) -> str:
        """Of the run's one stage."""
        return self.compose("exec", "-T", "server", "ecluse", "logs", str(number), "one")


@pytest.fixture(params=["plugin", "older"])
def project(
    request: pytest.FixtureRequest, server_image: str, images: Any, engine: str, tmp_path: Path, installation: str
) -> Iterator[Project]:
    """The example as README.md says to begin with it, under one of the two generations of compose."""
    folder = tmp_path / "server"
    (folder / "secrets").mkdir(parents=True, mode=0o700)
    word = folder / "secrets/database_password"
    word.write_text(secrets.token_urlsafe(18))
    word.chmod(0o400)
    os.chown(word, UID, UID)
    example = Path(__file__).resolve().parents[2] / "examples/server/compose.yml"
    (folder / "compose.yml").write_text(example.read_text())
    (folder / "here.yml").write_text(POSTGRES)
    socket = engine.removeprefix("unix://")
    more = request.getfixturevalue("compose_plugin") if request.param == "plugin" else compose_programs.older(tmp_path)
    port = free_port()
    variables = {
        **os.environ,
        **more,
        "ECLUSE_IMAGE": server_image,
        "POSTGRES_IMAGE": images.postgres,
        "DOCKER_SOCKET": socket,
        "DOCKER_GID": str(Path(socket).stat().st_gid),
        "ECLUSE_PUBLISH": f"127.0.0.1:{port}",
        "ECLUSE_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    program = ("docker", "compose") if request.param == "plugin" else ("docker-compose",)
    made = Project(
        words=(*program, "-p", f"ecluse-{secrets.token_hex(4)}", "-f", "compose.yml", "-f", "here.yml"),
        folder=folder,
        variables={**variables, "PATH": os.environ["PATH"]} if request.param == "plugin" else variables,
        address=f"http://127.0.0.1:{port}",
    )
    if request.param == "older":
        made.variables = {**variables, "PATH": f"{more['PATH']}:{os.environ['PATH']}"}
    try:
        # The installation is one that the check for leftovers knows.
        mark = f"printf '%s\\n' {installation} >/var/lib/ecluse/installation"
        made.compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "server", "-c", mark)
        yield made
    finally:
        made.compose("kill", check=False)
        made.compose("down", "--volumes", "--remove-orphans", check=False)


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[GitServer]:
    """Where people push to, reachable from containers."""
    folder = tmp_path / "forge"
    folder.mkdir()
    with git_server(folder, user="ecluse", word=secrets.token_hex(8), address="0.0.0.0") as server:
        yield server


def sign_in(project: Project) -> httpx.Client:
    """The first admin, by the link that the server printed."""
    key = awaited(lambda: re.search(r"/first\?key=(\S+)", project.logs()))[1]
    browser = httpx.Client(base_url=project.address, headers={"Accept": "text/html"}, trust_env=False, timeout=60)
    page = browser.get("/first", params={"key": key})
    csrf = re.search(r'name="csrf" value="([^"]*)"', page.text)
    assert csrf, page.text
    fields = {"csrf": csrf[1], "key": key, "login": "anna", "name": "Anna", "password": PASSWORD}
    answer = browser.post("/first", data=fields, headers={"Origin": project.address})
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    return browser


def connected(project: Project, forge: GitServer, work: Repository, folder: Path) -> None:
    """The server looks after the repository, and the forge tells it of pushes."""
    bare = folder / "shop.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(work.path), str(bare)], check=True)
    work.git("remote", "add", "origin", str(bare))
    words = ("--url", forge.url("shop.git", "forge"), "--forge", "plain", "--token-file", "-")
    done = subprocess.run(
        [*project.words, "exec", "-T", "server", "ecluse", "repository", "add", "anna/shop", "--json", *words],
        cwd=project.folder,
        env=dict(project.variables),
        input=forge.word,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    added = json.loads(done.stdout)
    install(bare, hook_url=added["hook_url"], secret=added["secret_value"])


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_it_works_and_goes_on(
    project: Project,
    forge: GitServer,
    git_repo: Callable[..., Repository],
    images: Any,
    tmp_path: Path,
    leftovers: Callable[[], dict[str, str]],
) -> None:
    def pipeline(pause: int) -> dict[str, str]:
        return {"pipeline.yml": PIPELINE.replace("IMAGE", images.busybox).replace("PAUSE", str(pause))}

    def push(pause: int) -> None:
        work.commit(pipeline(pause), f"Take {pause} s")
        work.git("push", "-q", "origin", "main")

    project.up()
    browser = sign_in(project)
    work = git_repo(pipeline(0))
    connected(project, forge, work, tmp_path / "forge")

    push(1)
    ended = project.run(1, lambda run: run["state"] == "done")
    assert ended["conclusion"] == "succeeded", project.logs()
    assert "begun" in project.log(1).splitlines()
    assert forge.word not in project.logs()

    for service in ("server", "worker"):
        facts = project.facts(service)
        assert facts["Config"]["User"] == "10001:10001"
        told = json.dumps(facts)
        assert (project.folder / "secrets/database_password").read_text() not in told
        mounted = [item["Destination"] for item in facts["Mounts"]]
        assert ("/var/run/docker.sock" in mounted) == (service == "worker")

    push(8)
    project.run(2, lambda run: run["state"] == "running")
    awaited(lambda: "begun" in project.log(2).splitlines(), patience=90)
    begun = time.monotonic()
    project.compose("stop", "worker")
    assert project.facts("worker")["State"]["ExitCode"] == 0
    assert project.run(2, lambda run: run["state"] == "done")["conclusion"] == "succeeded", "what runs may end"
    assert time.monotonic() - begun < 600
    project.up()

    push(20)
    project.run(3, lambda run: run["state"] == "running")
    awaited(lambda: "begun" in project.log(3).splitlines(), patience=90)
    project.compose("kill", "worker")
    project.compose("up", "-d", "--no-build", "--force-recreate", "worker")
    ended = project.run(3, lambda run: run["state"] == "done")
    assert ended["conclusion"] == "succeeded"
    assert project.log(3).splitlines().count("begun") == 1, "the next worker goes on with its container"

    project.compose("stop")
    project.up()
    assert browser.get("/").status_code == 200, "who was signed in still is"
    assert {run["number"] for run in project.ecluse("runs")} == {1, 2, 3}
    project.compose("exec", "-T", "worker", "ecluse", "gc", "--abandon")
