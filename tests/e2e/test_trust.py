"""A fork's run can neither read a secret nor write anything that a later run of the main branch reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from environment.command import Command
from environment.repository import Repository

SECRET = "a-s3cret-of-the-house"
FORK = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_REPOSITORY": "house/shop",
    "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_REF_NAME": "7/merge",
    "GITHUB_HEAD_REF": "main",
    "GITHUB_BASE_REF": "main",
    "GITHUB_ACTOR": "stranger",
    "ECLUSE_SECRET_TOKEN": SECRET,
}
MAIN = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REPOSITORY": "house/shop",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REF_NAME": "main",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_REF_PROTECTED": "true",
    "GITHUB_ACTOR": "owner",
    "ECLUSE_SECRET_TOKEN": SECRET,
}
HEAD = 'version: 1\nname: shop\ndefaults: {image: "BUSYBOX"}\nstages:\n'
READS = "  a: {commands: 'echo \"${#TOKEN}\" > n; cat n', secrets: [TOKEN]}\n"


@pytest.fixture
def fork(tmp_path: Path) -> dict[str, str]:
    """The variables of a job for a pull request of a fork, with the event file that says so."""
    event = tmp_path / "fork.json"
    head = {"ref": "main", "repo": {"full_name": "stranger/shop", "fork": True}}
    base = {"ref": "main", "repo": {"full_name": "house/shop", "fork": False}}
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": head, "base": base}}))
    return {**FORK, "GITHUB_EVENT_PATH": str(event), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}


@pytest.fixture
def shop(git_repo: Callable[..., Repository], images: Any) -> Callable[..., Repository]:
    def make(stages: str, top: str = "", files: Mapping[str, str] | None = None) -> Repository:
        text = (HEAD.replace("stages:\n", top + "stages:\n") + stages).replace("BUSYBOX", images.busybox)
        return git_repo({"pipeline.yml": text, **(files or {})})

    return make


def outcomes(out: str) -> dict[str, tuple[str, str]]:
    events = [json.loads(row) for row in out.splitlines() if row.startswith("{")]
    ends = [event for event in events if event["event"] == "stage_finished"]
    return {event["stage"]: (event["outcome"]["conclusion"], event["outcome"]["reason"]) for event in ends}


def printed(out: str) -> str:
    events = [json.loads(row) for row in out.splitlines() if row.startswith("{")]
    return "".join(event["text"] for event in events if event["event"] == "stage_output")


def run(ecluse: Command, place: Repository, env: Mapping[str, str], *words: str) -> tuple[int, str]:
    ended = ecluse("run", "--json", *words, cwd=place.path, env=env)
    assert SECRET not in ended.out + ended.err
    return ended.code, ended.out


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        pytest.param(READS, "the secret 'TOKEN' is not for an untrusted run", id="secret"),
        pytest.param(
            "  a: {kind: build, secrets: [TOKEN]}\n",
            "the secret 'TOKEN' is not for an untrusted run",
            id="build-secret",
        ),
        pytest.param(
            "  i: {kind: build}\n  a: {kind: push, image: i, to: 'localhost:1/x', when: {event: pull_request}}\n",
            "kind push changes the world outside, and this run is untrusted",
            id="push",
        ),
        pytest.param(
            "  a: {commands: 'echo > s.yml', emits: s.yml}\n", "it emits stages, and this run is untrusted", id="emits"
        ),
        pytest.param(
            "  a: {commands: 'true', privileged: true}\n",
            "it asks for rights on the machine, and this run is untrusted",
            id="privileged",
        ),
        pytest.param(
            "  a: {commands: 'true', services: {d: {image: BUSYBOX, privileged: true}}}\n",
            "it asks for rights on the machine, and this run is untrusted",
            id="privileged-service",
        ),
        pytest.param(
            "  a: {commands: 'true', network: host}\n",
            "it asks for the machine's network, and this run is untrusted",
            id="host-network",
        ),
    ],
)
def test_what_a_fork_must_not_do(
    ecluse: Command,
    shop: Callable[..., Repository],
    fork: dict[str, str],
    engine: str,
    images: Any,
    stages: str,
    reason: str,
) -> None:
    place = shop(stages, files={"Dockerfile": f"FROM {images.busybox}\n"})
    (ecluse.home / "config.toml").write_text(f'privileged_images = ["{images.busybox}"]\nhost_network = true\n')
    code, out = run(ecluse, place, fork)
    assert outcomes(out)["a"] == ("failed", reason)
    assert code == 4


def test_a_fork_gets_no_process_of_the_machine(
    ecluse: Command, shop: Callable[..., Repository], fork: dict[str, str]
) -> None:
    ended = ecluse("run", "--executor", "process", cwd=shop(READS).path, env=fork)
    assert (ended.code, "an untrusted run must not have processes of this machine" in ended.err) == (4, True)


def test_a_fork_tells_nobody(
    ecluse: Command, shop: Callable[..., Repository], fork: dict[str, str], engine: str
) -> None:
    place = shop("  a: {commands: 'true'}\n", top="notify: {on: succeeded, to: 'json://127.0.0.1:9/secret:TOKEN'}\n")
    code, out = run(ecluse, place, fork)
    assert code == 0
    assert '"text":"nobody is notified of an untrusted run"' in out


def test_a_person_allows_one_run(
    ecluse: Command, shop: Callable[..., Repository], fork: dict[str, str], engine: str
) -> None:
    place = shop(READS + "  b: {commands: echo two}\n")
    assert run(ecluse, place, fork)[0] == 4
    assert "untrusted, of pull request 7" in ecluse("show", "1", cwd=place.path).out
    job = ecluse("allow", "1", cwd=place.path, env=fork)
    assert (job.code, "this is a job of a CI host" in job.err) == (4, True)
    allowed = ecluse("allow", "1", "--json", cwd=place.path, env={"ECLUSE_ACTOR": "mira"})
    assert (allowed.code, json.loads(allowed.out)["who"], json.loads(allowed.out)["secrets"]) == (0, "mira", ["TOKEN"])
    (kept,) = (ecluse.home / "allowed").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600

    place.commit({"pushed.txt": "later"})
    assert run(ecluse, place, fork)[0] == 4
    place.git("checkout", "-q", "HEAD~1")
    code, out = run(ecluse, place, fork)
    assert (code, outcomes(out)["a"][0]) == (0, "succeeded")
    assert f"{len(SECRET)}\n" in printed(out)
    assert run(ecluse, place, fork)[0] == 4

    assert ecluse("allow", "1", cwd=place.path).code == 0
    again = ecluse("retry", "1", "--json", cwd=place.path, env={"ECLUSE_SECRET_TOKEN": SECRET})
    assert (again.code, outcomes(again.out)["a"][0]) == (0, "succeeded"), again.out + again.err


def test_trusted_runs_need_no_allowance(ecluse: Command, shop: Callable[..., Repository], engine: str) -> None:
    place = shop("  a: {commands: 'true'}\n")
    assert ecluse("run", cwd=place.path).code == 0
    ended = ecluse("allow", "1", cwd=place.path)
    assert (ended.code, "is trusted" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("rule", "env", "code"),
    [
        pytest.param('branches = ["main"]', MAIN, 0, id="its-branch"),
        pytest.param('branches = ["release/*"]', MAIN, 4, id="another-branch"),
        pytest.param('branches = ["main"]', {**FORK, "GITHUB_HEAD_REF": "main"}, 4, id="a-pull-request-with-that-name"),
        pytest.param('environments = ["prod"]', MAIN, 4, id="only-an-environment"),
        pytest.param('tags = ["v*"]', MAIN, 4, id="only-tags"),
    ],
)
def test_secrets_name_who_may_read_them(
    ecluse: Command,
    shop: Callable[..., Repository],
    engine: str,
    tmp_path: Path,
    rule: str,
    env: dict[str, str],
    code: int,
) -> None:
    (ecluse.home / "config.toml").write_text(f"[secrets.TOKEN]\n{rule}\n")
    summary = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    got, out = run(ecluse, shop(READS), {**env, **summary, "ECLUSE_SECRET_TOKEN": SECRET})
    assert got == code, out


def test_what_a_fork_caches_stays_with_it(
    ecluse: Command, shop: Callable[..., Repository], fork: dict[str, str], engine: str, tmp_path: Path
) -> None:
    stages = (
        "  a: {commands: ['cat /c/x || echo none', 'mkdir -p /c; echo $WHO > /c/x'], "
        "cache: [{key: pip-1, fallback: [p], paths: [/c]}], env: {WHO: '${{ variables.WHO }}'}}\n"
    )
    place = shop(stages, top="variables: {WHO: house}\n")
    main = {**MAIN, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}

    def seen(env: Mapping[str, str], who: str) -> str:
        code, out = run(ecluse, place, env, "--var", f"WHO={who}")
        assert code == 0, out
        return next(row for row in printed(out).splitlines() if row in ("none", "house", "evil", "later"))

    assert seen(fork, "evil") == "none"
    assert seen(fork, "evil") == "evil"
    assert seen(main, "house") == "none"
    assert seen(main, "later") == "house"


def test_what_a_forks_build_leaves_in_a_cache_mount_stays_with_it(
    ecluse: Command, shop: Callable[..., Repository], fork: dict[str, str], engine: str, images: Any, tmp_path: Path
) -> None:
    """BuildKit's own cache mounts outlive builds; each level has its own."""
    text = (
        f"FROM {images.busybox}\nARG WHO\n"
        "RUN --mount=type=cache,id=shared,target=/c cat /c/x 2>/dev/null; echo $WHO > /c/x; echo kept by $WHO\n"
    )
    place = shop(
        "  a: {kind: build, builder: buildkit, args: {WHO: '${{ variables.WHO }}'}}\n",
        top="variables: {WHO: house}\n",
        files={"Dockerfile": text},
    )
    main = {**MAIN, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    mark = tmp_path.name
    code, out = run(ecluse, place, fork, "--var", f"WHO=evil-{mark}")
    assert (code, f"kept by evil-{mark}" in printed(out)) == (0, True), out
    code, out = run(ecluse, place, main, "--var", f"WHO=house-{mark}")
    assert (code, f"kept by house-{mark}" in printed(out)) == (0, True), out
    assert f"evil-{mark}" not in printed(out)
    subprocess.run(["docker", "builder", "prune", "--force", "--filter", "type=exec.cachemount"], capture_output=True)
