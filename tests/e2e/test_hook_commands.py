"""`ecluse repository` and `ecluse hook`, as their user calls them; and a real push that reaches a real server."""

from __future__ import annotations

import hmac
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from environment.command import Command
from environment.repository import Repository
from forges_played import TOKEN, played

from pipeline.model.repository import ForgeKind


def shown(result: Any) -> Any:
    assert result.code == 0, result.err
    return json.loads(result.out)


@contextmanager
def serving(ecluse: Command, *words: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of `ecluse serve`."""
    with ecluse.started("serve", "--listen", "127.0.0.1:0", *words, env=env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "listening on " in line:
                yield line.split("listening on ", 1)[1].strip()
                process.terminate()
                process.wait(60)
                return
        raise AssertionError("the server ended while it started")


def test_a_repository_is_added_shown_changed_and_removed(ecluse: Command, tmp_path: Path) -> None:
    public = {"ECLUSE_PUBLIC_URL": "https://ci.example/"}
    added = ecluse("repository", "add", "shop/web", "--url", "https://github.com/shop/web.git", env=public)
    assert added.code == 0, added.err
    assert "https://ci.example/hooks/shop/web" in added.out
    secret = next(line.split()[1] for line in added.out.splitlines() if line.startswith("secret"))
    assert len(secret) == 64

    token = tmp_path / "token"
    token.write_text("ghp_sesame\n")
    changed = shown(
        ecluse("repository", "set", "shop/web", "--branch", "trunk", "--forks", "--token-file", str(token), "--json")
    )
    assert changed["repository"]["default_branch"] == "trunk"
    assert changed["repository"]["forks"] is True
    facts = ecluse("repository", "show", "shop/web", env=public)
    assert "github at https://api.github.com" in facts.out
    everything = facts.out + ecluse("repository", "show", "shop/web", "--json").out + ecluse("repository", "list").out
    assert secret not in everything
    assert "ghp_sesame" not in everything
    raw = b"".join(path.read_bytes() for path in ecluse.home.glob("records.db*"))
    assert secret.encode() not in raw
    assert b"ghp_sesame" not in raw

    again = shown(ecluse("repository", "set", "shop/web", "--new-secret", "--json"))
    assert again["secret_value"] != secret
    assert again["secret_value"] not in ecluse("repository", "show", "shop/web", "--json").out
    assert [item["name"] for item in shown(ecluse("repository", "list", "--json"))] == ["shop/web"]

    assert ecluse("repository", "remove", "shop/web").code == 2
    assert shown(ecluse("repository", "remove", "shop/web", "--yes", "--json")) == {"removed": "shop/web"}
    assert shown(ecluse("repository", "list", "--json")) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(("add", "web", "--url", "https://x/web"), 2, "a name is owner/name", id="name"),
        pytest.param(("add", "a/b"), 2, "the repository's address is missing", id="no-url"),
        pytest.param(("add", "a/b", "--url", "https://me:pw@x/web"), 2, "it has a login in it", id="login"),
        pytest.param(("add", "a/b", "--url", "ext::sh -c id"), 2, "white space", id="ext"),
        pytest.param(("add", "a/b", "--url", "ext::id"), 2, "it is neither a URL", id="helper"),
        pytest.param(("add", "a/b", "--url", "--upload-pack=id"), 2, "begins with '-'", id="option"),
        pytest.param(("add", "a/b", "--url", "javascript://x/y"), 2, "'javascript' is none of", id="scheme"),
        pytest.param(
            ("add", "a/b", "--url", "https://x/web", "--api", "file:///etc/passwd"), 2, "neither https://", id="api"
        ),
        pytest.param(
            ("add", "a/b", "--url", "https://x/web", "--api", "https://t@x"), 2, "it has a login in it", id="api-login"
        ),
        pytest.param(("show", "a/b"), 2, "looks after no repository 'a/b'", id="unknown"),
        pytest.param(("remove", "a/b", "--yes"), 2, "looks after no repository 'a/b'", id="remove-unknown"),
    ],
)
def test_what_cannot_be_is_said(ecluse: Command, words: tuple[str, ...], code: int, said: str) -> None:
    result = ecluse("repository", *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert "Traceback" not in result.err


def test_a_real_push_makes_a_run(ecluse: Command, git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    """git push → post-receive → `ecluse serve` → the delivery is judged → a worker makes the run, once."""
    bare = tmp_path / "app.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)], check=True)
    stages = "{checkout: {kind: checkout}, hello: {image: busybox, commands: [cat hello.txt]}}"
    pipeline = f"version: 1\nname: app\nstages: {stages}\n"
    work = git_repo({"pipeline.yml": pipeline, "hello.txt": "hello"}, name="app")
    with serving(ecluse, env={"ECLUSE_EXECUTOR": "process"}) as address:
        public = {"ECLUSE_PUBLIC_URL": address}
        assert ecluse("repository", "add", "team/app", "--url", str(bare), env=public).code == 0
        assert ecluse("hook", "install", str(bare), "--name", "team/app", env=public).code == 0
        work.git("push", "--quiet", str(bare), "main")
        _until(lambda: [run["state"] for run in shown(ecluse("runs", "--all", "--json"))] == ["done"])
    (run,) = shown(ecluse("runs", "--all", "--json"))
    (delivery,) = shown(ecluse("hook", "list", "--json"))
    assert (run["conclusion"], run["commit"]) == ("succeeded", work.git("rev-parse", "HEAD"))
    assert (delivery["state"], delivery["decision"]) == ("decided", f"run {run['id']}")


def test_a_webhook_is_answered_with_statuses(
    ecluse: Command, git_repo: Callable[..., Repository], tmp_path: Path
) -> None:
    """A signed webhook → a run → the forge's API hears how it went, by the server that runs."""
    stages = "{checkout: {kind: checkout}, hello: {image: busybox, commands: [cat missing.txt]}}"
    work = git_repo({"pipeline.yml": f"version: 1\nname: app\nstages: {stages}\n"}, name="app")
    sha = work.git("rev-parse", "HEAD")
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with played(ForgeKind.GITHUB) as heard, serving(ecluse, env={"ECLUSE_EXECUTOR": "process"}) as address:
        words = ("--forge", "github", "--api", heard.address, "--token-file", str(token), "--json")
        secret = shown(ecluse("repository", "add", "team/app", "--url", str(work.path), *words))["secret_value"]
        body = json.dumps(
            {
                "ref": "refs/heads/main",
                "before": "0" * 40,
                "after": sha,
                "repository": {"clone_url": str(work.path)},
                "sender": {"login": "ada"},
            }
        ).encode()
        signature = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
        headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": signature}
        answer = httpx.post(f"{address}/hooks/team/app", content=body, headers=headers, trust_env=False, timeout=60)
        assert answer.status_code == 202
        _until(lambda: [item["state"] for item in heard.statuses][-1:] == ["failure"])
    assert {item["sha"] for item in heard.statuses} == {sha}
    assert heard.statuses[-1]["description"] == "failed: hello"
    assert heard.statuses[-1]["url"].endswith("/r/team/app/runs/1")


def _until(holds: Callable[[], bool], seconds: float = 240) -> None:
    end = monotonic() + seconds
    while not holds():
        assert monotonic() < end, "it did not come"
        sleep(0.5)


def test_a_real_push_reaches_a_real_server(
    ecluse: Command, git_repo: Callable[..., Repository], tmp_path: Path
) -> None:
    """git push → post-receive → `ecluse serve` → a delivery, which is decided once; and once more when asked for."""
    bare = tmp_path / "app.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)], check=True)
    work = git_repo({"readme.md": "hello"}, name="app")
    with serving(ecluse, "--no-worker") as address:
        public = {"ECLUSE_PUBLIC_URL": address}
        assert ecluse("repository", "add", "team/app", "--url", str(bare), env=public).code == 0
        installed = ecluse("hook", "install", str(bare), "--name", "team/app", env=public)
        assert installed.code == 0, installed.err
        pushed = subprocess.run(
            ["git", "-C", str(work.path), "push", "--quiet", str(bare), "main"], capture_output=True, text=True
        )
        assert "remote: ecluse: told the server (delivery " in pushed.stderr, pushed.stderr
        (delivery,) = shown(ecluse("hook", "list", "team/app", "--json"))
        assert (delivery["repository"], delivery["event"]) == ("team/app", "push")
        assert delivery["key"] in pushed.stderr
        again = shown(ecluse("hook", "redeliver", delivery["id"][:24], "--json"))
        assert again["id"] != delivery["id"]
        listed = shown(ecluse("hook", "list", "--json"))
        assert [item["id"] for item in listed] == [again["id"], delivery["id"]]
    assert delivery["id"] in ecluse("hook", "list").out
