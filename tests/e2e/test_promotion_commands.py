"""Two environments of a real service: approved, brought in, taken back, barred, and gone on with after kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
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
APPROVAL = "{approvals: {from: managers, not: [requester]}}"
PROD_STAGE = "prod: {kind: deploy, environment: prod, needs: dev}"
LATE = "late: {after: prod, target: {docker: {}}}"
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

    def __call__(self, *words: str, **more: Any) -> Any:
        """The command in the repository, with the policy."""
        environment = {"ECLUSE_POLICY": str(self.folder / "policy.yml")}
        return self.ecluse(*words, cwd=self.repository.path, env=environment, **more)

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


@pytest.fixture
def shop(
    git_repo: Callable[..., Repository],
    images: Any,
    registry: str,
    engine: str,
    tmp_home: Path,
    tmp_path: Path,
    installation: str,
    ecluse: Command,
) -> Iterator[Shop]:
    port, name = free_port(), f"e2e/{uuid4().hex}"

    def text(*, gates: str = "", more: str = "", automatic: str = "true", late: str = "") -> str:
        return PIPELINE.format(
            registry=registry, name=name, port=port, gates=gates, more=more, automatic=automatic, late=late
        )

    keys = {}
    for person in ("anna", "mallory"):
        made = ecluse("ledger", "key", "new", str(tmp_path / f"{person}.key"))
        assert made.code == 0, made.err
        shown = ecluse("ledger", "key", "show", str(tmp_path / f"{person}.key"))
        keys[person] = next(word for word in shown.out.split() if word.startswith("ed25519:"))
    policy = {"version": 1, "people": {"anna": {"keys": [keys["anna"]]}}, "groups": {"managers": ["anna"]}}
    (tmp_path / "policy.yml").write_text(json.dumps(policy))
    start = {"pipeline.yml": text(), "index.html": "{}", "Dockerfile": ""}
    shop = Shop(
        ecluse=ecluse,
        repository=git_repo(start),
        folder=tmp_path,
        port=port,
        image=images.busybox,
        text=text,
    )
    yield shop
    for environment in ("dev", "prod", "late"):
        definition = EnvironmentDefinition(name=environment, position=Position(file="", line=1, column=1))
        DockerTarget(definition, Settings(home=tmp_home, docker_host=engine), service="shop").remove()
    listing = ("docker", "images", "--format", "{{.ID}}", "--filter", f"reference=ecluse-local/{installation[:8]}/*")
    pulled = ("docker", "images", "--format", "{{.ID}}", "--filter", f"reference={registry}/{name}")
    for command in (listing, pulled):
        for image in set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()):
            subprocess.run(["docker", "rmi", "--force", image], capture_output=True)


def ok(result: Any, code: int = 0) -> Any:
    assert result.code == code, result.out + result.err
    return result


def test_a_stage_waits_for_approval_goes_live_and_is_taken_back(shop: Shop) -> None:
    shop.repository.commit({"pipeline.yml": shop.text(gates=APPROVAL, more=PROD_STAGE, late=LATE)})
    shop.commit(number=1)
    parked = ok(shop("run"))
    assert "waits for" in parked.out
    assert "0 of 1 approvals of managers" in parked.out
    waiting = shop.waiting()

    assert "has to be signed" in ok(shop("approve", waiting), 4).err
    assert "knows nobody with the key" in ok(shop("approve", waiting, "--key", shop.key("mallory")), 4).err
    approved = ok(shop("approve", waiting[:12], "--key", shop.key("anna"), "--reason", "looks good"))
    assert "approved by anna" in approved.out
    resumed = ok(shop("resume"))
    assert shop.number() == 1
    assert "goes on to 'late' by itself" in resumed.out
    assert [item["state"] for item in shop.json("history", "late")["promotions"]] == ["deployed"]

    shop.commit(number=2)
    ok(shop("run"))
    second = shop.waiting()
    ok(shop("approve", second, "--key", shop.key("anna")))
    ok(shop("resume"))
    assert shop.number() == 2
    two = shop.newest()

    back = ok(shop("rollback", "prod", "--yes", "--reason", "customers complain"))
    assert "prod is held until somebody lifts it" in back.out
    assert shop.number() == 1
    plan = shop.json("promote", two, "--to", "prod", "--plan")
    assert {item["gate"]: item["state"] for item in plan["verdict"]["answers"]}["hold"] == "waiting"
    ok(shop("release-hold", "prod"))
    assert "hold" not in {
        item["gate"] for item in shop.json("promote", two, "--to", "prod", "--plan")["verdict"]["answers"]
    }

    held = shop.json("promote", two, "--to", "prod", "--yes")
    assert held["promotion"]["state"] == "waiting"
    ok(shop("reject", held["promotion"]["id"], "--reason", "not again", "--key", shop.key("anna")))
    assert shop.json("history", "prod")["promotions"][0]["state"] == "refused"
    assert shop.number() == 1
    ok(shop("ledger", "verify"))


def test_a_bad_release_is_barred_and_a_killed_promoter_is_gone_on_with(shop: Shop) -> None:
    shop.repository.commit({"pipeline.yml": shop.text(automatic="false")})
    shop.commit(number=1)
    ok(shop("run"))
    first = shop.newest()
    ok(shop("promote", first, "--to", "prod", "--yes"))
    assert shop.number() == 1

    shop.commit(number=2, status="bad")
    ok(shop("run"))
    bad = shop.newest()
    assert 'json .status is "bad"' in ok(shop("promote", bad, "--to", "prod", "--yes"), 5).out
    assert shop.number() == 1
    assert "barred" in ok(shop("promote", bad, "--to", "prod", "--yes"), 4).err

    shop.commit(number=3, wait="sleep 5; ")
    ok(shop("run"))
    third = shop.newest()
    words = ("promote", third, "--to", "prod", "--yes")
    environment = {"ECLUSE_POLICY": str(shop.folder / "policy.yml")}
    with shop.ecluse.started(*words, cwd=shop.repository.path, env=environment) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("starting "):
                break
        os.kill(running.pid, signal.SIGKILL)
        running.wait(30)
    assert shop.number() == 1
    left = shop.json("history", "prod")["promotions"][0]
    assert left["state"] == "rolling_out"
    ok(shop("promote", "--resume", left["id"], "--yes"))
    assert shop.number() == 3
    ended = shop.json("history", "prod")
    assert (ended["promotions"][0]["id"], ended["promotions"][0]["state"]) == (left["id"], "deployed")
    assert ended["drifted"] is False
    ok(shop("ledger", "verify"))
