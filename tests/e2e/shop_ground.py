"""A service with two environments of its own, the keys of its people, and the commands that are called in it."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from environment.command import Command
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
  {more}
environments:
  dev: {{target: {{docker: {{}}}}}}
  prod:
    after: dev
    automatic: {automatic}
    target: {{docker: {{publish: ["127.0.0.1:{port}:8080"], drain: 1s}}}}
    verification: [{{http: /, json: {{status: ok}}, within: 5s}}]
    gates: [{gates}]
  {late}
"""
PAGE = "FROM {image}\nCOPY index.html /w/\nCMD {wait}httpd -f -p 8080 -h /w\n"


@dataclass
class Shop:
    """A repository, the keys of its people, and the port where `prod` serves."""

    ecluse: Command
    repository: Repository
    folder: Path
    port: int
    image: str
    text: Callable[..., str]

    def environment(self, person: str = "") -> dict[str, str]:
        """The policy, and who one is on this machine."""
        named = {"LOGNAME": person} if person else {}
        return {"ECLUSE_POLICY": str(self.folder / "policy.yml"), **named}

    def __call__(self, *words: str, person: str = "", env: Mapping[str, str] | None = None, **more: Any) -> Any:
        """The command in the repository, with the policy."""
        variables = {**self.environment(person), **(env or {})}
        return self.ecluse(*words, cwd=self.repository.path, env=variables, **more)

    def rule(self, **more: Any) -> None:
        """What the policy says besides."""
        path = self.folder / "policy.yml"
        path.write_text(json.dumps(json.loads(path.read_text()) | more))

    def introduce(self, *people: str, group: str) -> None:
        """Give people keys; the first of them is in the policy, and in that group."""
        for person in people:
            ok(self.ecluse("ledger", "key", "new", self.key(person)))
        shown = self.ecluse("ledger", "key", "show", self.key(people[0])).out
        key = next(word for word in shown.split() if word.startswith("ed25519:"))
        self.rule(people={people[0]: {"keys": [key]}}, groups={group: [people[0]]})

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").out)

    def key(self, person: str) -> str:
        return str(self.folder / f"{person}.key")

    def commit(self, *, number: int, status: str = "ok", wait: str = "") -> None:
        self.repository.commit(
            {
                "index.html": json.dumps({"status": status, "number": number}),
                "Dockerfile": PAGE.format(image=self.image, wait=wait),
            }
        )

    def number(self) -> int:
        """Which version answers in `prod`."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return int(json.load(answer)["number"])

    def waiting(self) -> str:
        """The promotion to `prod` that waits."""
        found = [item for item in self.json("history", "prod")["promotions"] if item["state"] == "waiting"]
        assert len(found) == 1
        return str(found[0]["id"])

    def newest(self) -> str:
        return str(self.json("releases")[0]["release"]["name"])


@contextmanager
def opened(
    ecluse: Command,
    git_repo: Callable[..., Repository],
    folder: Path,
    *,
    image: str,
    registry: str,
    engine: str,
    installation: str,
) -> Iterator[Shop]:
    """A shop whose first commit has nothing in it yet; what it ran is removed at the end."""
    port, name = free_port(), f"e2e/{uuid4().hex}"

    def text(*, gates: str = "", more: str = "", automatic: str = "true", late: str = "") -> str:
        return PIPELINE.format(
            registry=registry, name=name, port=port, gates=gates, more=more, automatic=automatic, late=late
        )

    (folder / "policy.yml").write_text(json.dumps({"version": 1}))
    start = {"pipeline.yml": text(), "index.html": "{}", "Dockerfile": ""}
    shop = Shop(
        ecluse=ecluse,
        repository=git_repo(start),
        folder=folder,
        port=port,
        image=image,
        text=text,
    )
    yield shop
    for environment in ("dev", "prod", "late"):
        definition = EnvironmentDefinition(name=environment, position=Position(file="", line=1, column=1))
        DockerTarget(definition, Settings(home=ecluse.home, docker_host=engine), service="shop").remove()
    listing = ("docker", "images", "--format", "{{.ID}}", "--filter", f"reference=ecluse-local/{installation[:8]}/*")
    pulled = ("docker", "images", "--format", "{{.ID}}", "--filter", f"reference={registry}/{name}")
    for command in (listing, pulled):
        for made in set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()):
            subprocess.run(["docker", "rmi", "--force", made], capture_output=True)


def ok(result: Any, code: int = 0) -> Any:
    assert result.code == code, result.out + result.err
    return result
