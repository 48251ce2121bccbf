"""`ecluse run`, `plan`, `check`, `init` and `schema` as a user types them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from environment.command import Command
from environment.repository import Repository

GOOD = """\
version: 1
name: shop
defaults: {image: busybox:1.36}
stages:
  build:
    commands: [echo building, echo bytes > made.txt]
    artifacts: [{name: made, paths: [made.txt]}]
  unit: {commands: [cat made.txt, "echo ok"]}
  docs: {needs: [build], commands: echo docs, when: {branch: [release]}}
"""
BAD = GOOD.replace('"echo ok"', '"echo wrong", "exit 3"')


@pytest.fixture
def shop(git_repo: Callable[..., Repository]) -> Repository:
    """A repository whose pipeline succeeds."""
    return git_repo({"pipeline.yml": GOOD}, name="my shop")


def test_a_run_in_plain_lines(ecluse: Command, shop: Repository) -> None:
    ended = ecluse("run", "--executor", "process", cwd=shop.path)
    assert (ended.code, ended.err) == (0, "")
    rows = ended.out.splitlines()
    short = shop.git("rev-parse", "HEAD")[:12]
    assert rows[0] == f"shop · main {short} · manual · 4 stages"
    assert [row for row in rows if row.startswith("[unit]")] == [
        "[unit] $ cat made.txt",
        "[unit] bytes",
        "[unit] $ echo ok",
        "[unit] ok",
    ]
    assert "○ docs skipped: when: branch is 'main', wants 'release'" in rows
    assert rows[-1].startswith("● shop #1 succeeded in ")
    assert rows[-1].endswith(": 1 skipped, 3 succeeded")


def test_a_failing_stage_ends_with_1_and_says_where_to_look(
    ecluse: Command, git_repo: Callable[..., Repository]
) -> None:
    repository = git_repo({"pipeline.yml": BAD})
    ended = ecluse("run", "--executor", "process", cwd=repository.path)
    assert ended.code == 1
    tail = ended.out.partition("\n\n")[2]
    assert tail.startswith("✕ unit failed: exit 3\n")
    assert "  │ wrong\n" in tail
    assert "  look closer: ecluse logs 1 unit\n" in tail


def test_json_events_carry_the_whole_run(ecluse: Command, shop: Repository) -> None:
    ended = ecluse("run", "--executor", "process", "--json", cwd=shop.path)
    events = [json.loads(row) for row in ended.out.splitlines()]
    assert events[0]["event"] == "run_started"
    assert [stage["name"] for stage in events[0]["stages"]] == ["checkout", "build", "unit", "docs"]
    assert events[-1] | {"time": "", "run": ""} == {
        "event": "run_finished",
        "time": "",
        "run": "",
        "number": 1,
        "state": "done",
        "conclusion": "succeeded",
        "stages": {"checkout": "succeeded", "build": "succeeded", "unit": "succeeded", "docs": "skipped"},
    }
    text = "".join(event["text"] for event in events if event["event"] == "stage_output" and event["stage"] == "unit")
    assert text == "\x1b[1;36m$ cat made.txt\x1b[0m\nbytes\n\x1b[1;36m$ echo ok\x1b[0m\nok\n"


def test_on_a_terminal_the_run_is_a_picture(ecluse: Command, shop: Repository) -> None:
    ours, theirs = pty.openpty()
    program = Path(sys.executable).with_name("ecluse")
    environment = {**ecluse.environment(), "TERM": "xterm-256color"}
    environment.pop("CI", None)
    process = subprocess.Popen(
        [program, "run", "--executor", "process"], cwd=shop.path, env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0
    text = seen.decode()
    assert text.startswith("\x1b[?25l")
    last = text.rpartition("\x1b[?25h")[2]
    assert "\x1b[32m●\x1b[0m unit" in last
    assert "shop #1 succeeded" in last


def test_variables_and_a_commit_can_be_chosen(ecluse: Command, git_repo: Callable[..., Repository]) -> None:
    pipeline = """\
version: 1
name: shop
variables: {WHO: nobody}
stages:
  say: {image: busybox:1.36, commands: 'echo "hello $WHO"', env: {WHO: "${{ variables.WHO }}"}}
"""
    repository = git_repo({"pipeline.yml": pipeline})
    repository.write({"pipeline.yml": "broken"})
    ended = ecluse("run", "--executor", "process", "--commit", "HEAD", "--var", "WHO=anna", cwd=repository.path)
    assert ended.code == 0, ended.out + ended.err
    assert "[say] hello anna\n" in ended.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["run", "--var", "novalue"], "Invalid value for --var: 'novalue' is not NAME=VALUE", id="variable"
        ),
        pytest.param(
            ["run", "--parallel", "0"], "Invalid value for '--parallel': 0 is not in the range", id="parallel"
        ),
        pytest.param(["run", "--json", "--plain"], "--json and --plain exclude each other", id="both"),
        pytest.param(["rnu"], "there is no command 'rnu'; did you mean 'run", id="command"),
        pytest.param(["show"], "Missing argument 'RUN'", id="missing"),
    ],
)
def test_a_wrong_command_line_ends_with_2(ecluse: Command, shop: Repository, words: list[str], message: str) -> None:
    ended = ecluse(*words, cwd=shop.path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {message}")


def test_outside_a_repository_one_clear_message(ecluse: Command, tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    ended = ecluse("run", cwd=folder)
    assert ended.code == 2
    assert ended.err.splitlines()[0] == f"error: {folder} is not in a git repository"


def test_without_an_engine_the_run_is_errored_and_recorded(ecluse: Command, shop: Repository, tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    ended = ecluse("run", cwd=shop.path, env=nowhere)
    assert ended.code == 3
    assert "Traceback" not in ended.out + ended.err
    assert f"{tmp_path}/no.sock" in ended.out + ended.err


def test_a_wrong_file_is_shown_and_nothing_runs(ecluse: Command, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": GOOD.replace("needs: [build]", "needs: [biuld]")})
    for command in (["run", "--executor", "process"], ["plan"]):
        ended = ecluse(*command, cwd=repository.path)
        assert (ended.code, ended.out) == (2, "")
        assert "stage 'docs' needs 'biuld', which does not exist\n    9 |   docs: {needs: [biuld]" in ended.err
        assert "^^^^^ did you mean 'build'?" in ended.err
        assert ended.err.endswith("1 error. Nothing was run.\n")
    checked = ecluse("check", cwd=repository.path)
    assert checked.code == 2
    assert checked.out.endswith("1 error\n")
    told = json.loads(ecluse("check", "--format", "json", cwd=repository.path).out)
    assert [(item["code"], item["position"]["line"]) for item in told["diagnostics"]] == [("unknown-stage", 9)]


def test_check_plan_and_graph_of_a_right_file(ecluse: Command, shop: Repository) -> None:
    assert ecluse("check", cwd=shop.path).out == "● pipeline.yml is right: shop, 4 stages\n"
    planned = ecluse("plan", cwd=shop.path)
    assert planned.code == 0
    assert [row.split()[:2] for row in planned.out.splitlines()[1:5]] == [
        ["run", "checkout"],
        ["run", "build"],
        ["run", "unit"],
        ["skip", "docs"],
    ]
    graph = ecluse("plan", "--graph", "--branch", "release", cwd=shop.path)
    assert graph.out == "checkout checkout\n└─ build run\n   ├─ unit run\n   └─ docs run\n"
    plan = json.loads(ecluse("plan", "--json", cwd=shop.path).out)
    assert plan["digest"].startswith("sha256:")
    assert plan["plan"]["name"] == "shop"


@pytest.mark.parametrize(
    ("files", "stages"),
    [
        pytest.param({"readme": ""}, ["checkout", "hello"], id="nothing-known"),
        pytest.param({"requirements.txt": "", "tests/test_a.py": ""}, ["checkout", "unit"], id="python-with-tests"),
        pytest.param({"pyproject.toml": ""}, ["checkout", "compile"], id="python-without-tests"),
        pytest.param({"package.json": '{"scripts": {"test": "jest"}}'}, ["checkout", "node"], id="node"),
        pytest.param({"package.json": "no json"}, ["checkout", "node"], id="broken-node"),
        pytest.param({"go.mod": "", "Dockerfile": ""}, ["checkout", "go", "image", "scan"], id="go-with-image"),
        pytest.param({"Cargo.toml": ""}, ["checkout", "rust"], id="rust"),
        pytest.param({"pom.xml": ""}, ["checkout", "verify"], id="maven"),
        pytest.param({"build.gradle.kts": "", "gradlew": ""}, ["checkout", "verify"], id="gradle"),
        pytest.param({"Makefile": "test:\n\ttrue\n"}, ["checkout", "make"], id="make"),
    ],
)
def test_what_init_writes_passes_check(
    ecluse: Command, git_repo: Callable[..., Repository], files: dict[str, str], stages: list[str]
) -> None:
    repository = git_repo(files, name="Some Größe")
    assert ecluse("init", cwd=repository.path).code == 0
    assert ecluse("check", cwd=repository.path).out.startswith("● pipeline.yml is right: some-gr-e, ")
    plan = json.loads(ecluse("plan", "--json", cwd=repository.path).out)
    assert [item["stage"]["name"] for item in plan["plan"]["stages"]] == stages
    again = ecluse("init", cwd=repository.path)
    assert again.code == 2
    assert "exists\n  write over it with --force" in again.err


def test_the_schema_that_init_leaves_for_editors_is_the_one_that_schema_prints(
    ecluse: Command, git_repo: Callable[..., Repository]
) -> None:
    from jsonschema import Draft202012Validator

    repository = git_repo({"readme": ""})
    ecluse("init", cwd=repository.path)
    kept = json.loads((repository.path / ".ecluse" / "pipeline.schema.json").read_text())
    assert kept == json.loads(ecluse("schema").out)
    Draft202012Validator.check_schema(kept)


def test_version_is_nearly_as_quick_as_python_itself() -> None:
    program = str(Path(sys.executable).with_name("ecluse"))

    def seconds(command: list[str]) -> float:
        begun = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - begun

    pairs = [(seconds([program, "--version"]), seconds([sys.executable, "-c", "pass"])) for _ in range(9)]
    assert median(ours / bare for ours, bare in pairs) < 6
