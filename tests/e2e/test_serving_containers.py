"""A server whose stages run in containers: secrets of its vault, and environments that end with their pull request."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from environment import leftovers as traces
from environment.command import Command
from environment.repository import Repository
from environment.serving import Ground, awaited, ground

from pipeline.model.repository import ForgeKind
from pipeline.model.status import Conclusion
from pipeline.operations.serving.asking import ask_run

WORD = "s3cret-w0rd-of-this-test"
HOOK = b"a secret of this test"
NOBODY = "0" * 40
SECRET = """
version: 1
name: shop
defaults: {{image: {image}, source: false}}
stages:
  with: {{secrets: [TOKEN], commands: ['echo "it is $TOKEN"; printf %s "$TOKEN" | sha256sum']}}
  without: {{commands: ['echo "it is <$TOKEN>"']}}
"""
REVIEW = """
version: 1
name: ends
triggers: {{push: {{branches: [login]}}, pull_request: {{}}}}
stages:
  image: {{kind: build}}
  push: {{kind: push, image: image, to: {name}, when: {{event: [push, pull_request]}}}}
  preview: {{kind: deploy, environment: preview, when: {{event: [push, pull_request]}}}}
environments:
  preview: {{target: {{docker: {{drain: 0s, settle: 100ms}}}}, review: {{from: {source}, lasting: 3d}}}}
"""


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path, engine: str) -> Iterator[Ground]:
    with ground(ecluse, tmp_path, ECLUSE_EXECUTOR="docker") as made:
        yield made


def test_a_secret_of_the_vault_reaches_the_stage_that_names_it_and_no_log(
    serving: Ground, git_repo: Callable[..., Repository], images: Any
) -> None:
    app = serving.app
    serving.look_after(git_repo({"pipeline.yml": SECRET.format(image=images.busybox)}))
    app.vault.put("repository:anna/shop", "TOKEN", WORD.encode(), by="anna")
    server = serving.serve()
    id_ = ask_run(app, "anna/shop", ref="", variables={}, by="anna").id
    serving.item(id_)
    run = serving.run(id_)
    assert run.conclusion is Conclusion.SUCCEEDED, server.said
    told, untold = (app.storage.open(run.stage(name).attempts[0].log).read() for name in ("with", "without"))
    assert hashlib.sha256(WORD.encode()).hexdigest().encode() in told, "it was there"
    assert b"it is ***" in told
    assert b"it is <>" in untold
    for file in (serving.command.home).rglob("*"):
        assert not file.is_file() or WORD.encode() not in file.read_bytes(), f"in clear in {file}"
    assert WORD not in server.said


@pytest.fixture
def registry_name(registry: str, engine: str) -> Iterator[str]:
    """A repository of the registry, whose images are removed from the engine at the end."""
    name = f"{registry}/e2e/{uuid4().hex}"
    yield name
    words = ("docker", "images", "--format", "{{.ID}}", "--filter", f"reference={name}")
    for image in set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()):
        subprocess.run(["docker", "rmi", "--force", image], capture_output=True)


def pull_request(action: str, head: str) -> tuple[bytes, dict[str, str]]:
    """As Gitea tells of pull request 7 of this repository's own branch."""
    here = {"id": 1, "full_name": "anna/shop", "clone_url": "https://x/y.git"}
    person = {"login": "anna", "full_name": "anna"}
    body = json.dumps(
        {
            "action": action, "number": 7, "repository": here, "sender": person,
            "pull_request": {
                "number": 7, "title": "Let people in", "html_url": "https://x/pull/7", "merged": False,
                "state": "closed" if action == "closed" else "open", "user": person,
                "head": {"ref": "login", "sha": head, "repo": here}, "base": {"ref": "main", "sha": head, "repo": here},
            },
        }
    ).encode()  # fmt: skip
    signature = hmac.new(HOOK, body, hashlib.sha256).hexdigest()
    return body, {
        "x-gitea-event": "pull_request",
        "x-gitea-delivery": uuid4().hex,
        "x-gitea-signature": signature,
    }


def push(before: str, after: str) -> tuple[bytes, dict[str, str]]:
    """As the script in a bare repository tells of a push to `login`."""
    body = json.dumps({"actor": "anna", "changes": [{"ref": "refs/heads/login", "before": before, "after": after}]})
    stamp, id_ = str(int(time.time())), uuid4().hex
    mac = hmac.new(HOOK, f"{stamp}.{id_}.".encode() + body.encode(), hashlib.sha256).hexdigest()
    return body.encode(), {
        "x-ecluse-event": "push",
        "x-ecluse-delivery": id_,
        "x-ecluse-timestamp": stamp,
        "x-ecluse-signature-256": f"sha256={mac}",
    }


Told = tuple[bytes, dict[str, str]]


@pytest.mark.parametrize(
    ("forge", "source", "name", "opened", "closed"),
    [
        pytest.param(
            ForgeKind.GITEA, "pull_request", "preview-7",
            lambda head: pull_request("opened", head), lambda head: pull_request("closed", head),
            id="pull request closed",
        ),
        pytest.param(
            ForgeKind.PLAIN, "branch", "preview-login",
            lambda head: push(NOBODY, head), lambda head: push(head, NOBODY),
            id="branch deleted",
        ),
    ],
)  # fmt: skip
def test_a_review_environment_ends_with_what_it_is_of(
    serving: Ground,
    git_repo: Callable[..., Repository],
    images: Any,
    registry_name: str,
    installation: str,
    engine: str,
    forge: ForgeKind,
    source: str,
    name: str,
    opened: Callable[[str], Told],
    closed: Callable[[str], Told],
) -> None:
    repository = git_repo(
        {
            "pipeline.yml": REVIEW.format(name=registry_name, source=source),
            "Dockerfile": f"FROM {images.busybox}\nCMD sleep 600\n",
        }
    )
    repository.git("checkout", "-q", "-b", "login")
    head = repository.commit({"a": "1\n"})
    repository.git("checkout", "-q", "main")
    app = serving.app
    known = serving.look_after(repository, forge=forge)
    app.vault.put("hook:anna/shop", "secret", HOOK, by="anna")
    server = serving.serve()

    def tell(told: Told) -> None:
        body, headers = told
        answer = httpx.post(f"{server.url}/hooks/anna/shop", content=body, headers=headers, trust_env=False, timeout=60)
        assert answer.status_code == 202, answer.text

    def there() -> set[str]:
        marked = f"{installation[:8]}-ends-{name}"
        return {kind for found, kind in traces.objects(engine, installation).items() if marked in found}

    tell(opened(head))
    item = awaited(lambda: next(iter(app.queue.items()), None), lambda: f"{app.intake.deliveries()}")
    assert serving.item(item.id).detail == "succeeded", f"{serving.run(item.id)}"
    assert "container" in there()

    if source == "branch":
        repository.git("branch", "-D", "login")
    tell(closed(head))
    awaited(lambda: not there(), lambda: f"{app.intake.deliveries()[0]} {there()}", patience=120)
    entry = awaited(lambda: next((it for it in app.records.entries(newest=1) if it.action == "removed"), None))
    assert entry.actor == "ecluse"
    assert f"environment {name} removed" in awaited(lambda: app.intake.deliveries()[0].decision)
    assert known.name == "anna/shop"
