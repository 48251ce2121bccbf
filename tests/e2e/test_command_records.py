"""`ecluse runs`, `show`, `logs`, `artifacts`, `gc` and `doctor` over runs that really happened."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository

PIPELINE = """\
version: 1
name: shop
defaults: {image: busybox:1.36}
stages:
  build:
    commands:
      - mkdir -p out/deep
      - printf '\\033]0;owned\\007\\033[31mred\\033[0m\\n'
      - echo payload > out/deep/made.txt
    artifacts: [{name: made, paths: ["out/**"]}]
  unit:
    commands: [echo ok, exit 3]
"""


@pytest.fixture
def shop(git_repo: Callable[..., Repository], ecluse: Command) -> Repository:
    """A repository with one run, whose second stage failed."""
    repository = git_repo({"pipeline.yml": PIPELINE})
    assert ecluse("run", "--executor", "process", cwd=repository.path).code == 1
    return repository


def test_a_run_can_be_listed_shown_read_and_fetched(ecluse: Command, shop: Repository, tmp_path: Path) -> None:
    short = shop.git("rev-parse", "HEAD")[:12]
    listed = ecluse("runs", cwd=shop.path).out.split()
    assert listed[:5] == ["✕", "#1", "failed", "just", "now"]
    assert listed[-3:] == ["main", short, "Start"]
    [run] = json.loads(ecluse("runs", "--json", cwd=shop.path).out)

    for reference in ("1", "last", run["id"], run["id"][:16]):
        shown = json.loads(ecluse("show", reference, "--json", cwd=shop.path).out)
        assert shown["id"] == run["id"]
    tree = ecluse("show", "last", cwd=shop.path).out
    assert "✕ unit      run" in tree
    assert "failed: exit 3" in tree
    assert "artifact made: out/deep/made.txt 8 B" in tree

    assert ecluse("logs", "1", "unit", cwd=shop.path).out == "$ echo ok\nok\n$ exit 3\n"
    timed = ecluse("logs", "1", "unit", "--times", cwd=shop.path).out.splitlines()[1]
    assert (timed[10], timed[23:]) == ("T", "Z ok")
    assert "[build] red\n" in ecluse("logs", "1", cwd=shop.path).out
    assert ecluse("logs", "1", "unit", "-f", cwd=shop.path).out == "$ echo ok\nok\n$ exit 3\n"

    assert ecluse("artifacts", "1", cwd=shop.path).out.split()[:3] == ["build", "made", "artifact"]
    fetched = ecluse("artifacts", "1", "made", "--output", str(tmp_path / "got"), cwd=shop.path)
    assert fetched.out == f"{tmp_path}/got/out/deep/made.txt\n"
    assert (tmp_path / "got" / "out" / "deep" / "made.txt").read_text() == "payload\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["show", "99"], "there is no run", id="run"),
        pytest.param(["show", "1", "uint"], "run 1 has no stage 'uint'", id="stage"),
        pytest.param(["logs", "1", "unit", "--attempt", "7"], "stage 'unit' has no attempt 7", id="attempt"),
        pytest.param(["artifacts", "1", "wheel"], "run 1 has no artifact 'wheel'", id="artifact"),
        pytest.param(["history", "dev"], "nothing was ever deployed to an environment 'dev'", id="environment"),
        pytest.param(["cancel", "1"], "run 1 is over: failed", id="over"),
    ],
)
def test_what_is_not_there_ends_with_2(ecluse: Command, shop: Repository, words: list[str], message: str) -> None:
    ended = ecluse(*words, cwd=shop.path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {message}")
    assert ended.err.count("\n") >= 2


def test_empty_lists_say_how_to_begin(ecluse: Command, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"readme": ""})
    assert ecluse("runs", cwd=repository.path).out == "no runs yet; start one: ecluse run\n"
    assert ecluse("releases", cwd=repository.path).out == "no releases yet; a stage of kind deploy seals one\n"


def test_filters_choose_runs(ecluse: Command, shop: Repository) -> None:
    shop.git("switch", "--quiet", "--create", "mended")
    shop.commit({"pipeline.yml": PIPELINE.replace("exit 3", "exit 0")})
    assert ecluse("run", "--executor", "process", cwd=shop.path).code == 0

    def numbers(*words: str) -> list[int]:
        return [run["number"] for run in json.loads(ecluse("runs", "--json", *words, cwd=shop.path).out)]

    assert numbers() == [2, 1]
    assert numbers("--failed") == [1]
    assert numbers("--branch", "mended") == [2]
    assert numbers("--limit", "1") == [2]


def test_a_reader_that_goes_away_is_no_error(ecluse: Command, shop: Repository) -> None:
    program = str(Path(sys.executable).with_name("ecluse"))
    pipe = subprocess.run(
        ["bash", "-c", '"$0" show 1 | head -1; "$0" logs 1 | true; exit ${PIPESTATUS[0]}', program],
        cwd=shop.path,
        env=ecluse.environment(),
        capture_output=True,
        text=True,
    )
    assert pipe.stdout.startswith("✕ shop #1")
    assert pipe.stderr == ""
    assert pipe.returncode in (0, 141)  # whether the reader went before or after we wrote is its own affair


@pytest.fixture
def started(ecluse: Command, git_repo: Callable[..., Repository]) -> Iterator[tuple[Repository, subprocess.Popen[str]]]:
    """A run under way whose stage waits until it is stopped."""
    pipeline = """\
version: 1
name: shop
stages:
  wait: {image: busybox:1.36, commands: [echo begun, sleep 300]}
  next: {image: busybox:1.36, commands: "true"}
"""
    repository = git_repo({"pipeline.yml": pipeline})
    with ecluse.started("run", "--executor", "process", "--json", cwd=repository.path) as process:
        assert process.stdout is not None
        awaited = {"run_numbered", "stage_output"}
        while awaited and (row := process.stdout.readline()):
            event = json.loads(row)
            if event.get("stage", "wait") == "wait" and "begun\n" in event.get("text", "begun\n"):
                awaited.discard(event["event"])
        yield repository, process


def test_cancel_stops_a_run_tidily(ecluse: Command, started: tuple[Repository, subprocess.Popen[str]]) -> None:
    repository, process = started
    followed = ecluse.started("logs", "last", "wait", "--follow", cwd=repository.path)
    with followed as follower:
        assert follower.stdout is not None
        while (row := follower.stdout.readline()) and row != "begun\n":
            pass
        stopped = ecluse("cancel", "last", "--wait", cwd=repository.path)
        assert (stopped.code, stopped.out.splitlines()[-1]) == (0, "run 1 has ended")
        assert process.wait(60) == 130
        assert follower.wait(60) == 0
    [run] = json.loads(ecluse("runs", "--json", cwd=repository.path).out)
    assert (run["state"], run["conclusion"]) == ("done", "cancelled")
    stage = json.loads(ecluse("show", "last", "wait", "--json", cwd=repository.path).out)
    assert stage["outcome"]["reason"] == f"cancelled by {getpass.getuser()}"


def test_what_a_killed_run_left_is_closed_by_gc(
    ecluse: Command, started: tuple[Repository, subprocess.Popen[str]], engine: str
) -> None:
    repository, process = started
    process.kill()
    process.wait()
    assert "kept run 1" in ecluse("gc", cwd=repository.path).out
    assert "would close run 1" in ecluse("gc", "--abandon", "--dry-run", cwd=repository.path).out
    assert "closed run 1" in ecluse("gc", "--abandon", cwd=repository.path).out
    [run] = json.loads(ecluse("runs", "--json", cwd=repository.path).out)
    assert (run["state"], run["conclusion"]) == ("done", "errored")
    assert ecluse("gc", "--abandon", cwd=repository.path).out == "● nothing to remove\n"


def test_doctor_finds_a_healthy_machine(ecluse: Command, engine: str) -> None:
    ended = ecluse("doctor", "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["healthy"]) == (0, True)
    named = {finding["name"]: finding["health"] for finding in told["findings"]}
    assert named["git"] == named["container engine"] == named["records"] == "fine"


def test_doctor_names_the_remedy_for_what_is_missing(ecluse: Command, tmp_path: Path) -> None:
    ecluse.home.chmod(0o755)
    ended = ecluse("doctor", env={"DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    assert ended.code == 3
    assert f"▲ home folder: others can read {ecluse.home}, which holds logs\n    chmod 700 {ecluse.home}\n" in ended.out
    assert "✕ container engine: " in ended.out
    assert ended.out.endswith("\n1 thing to mend\n")
    without = ecluse("doctor", env={"DOCKER_HOST": f"unix://{tmp_path}/no.sock", "ECLUSE_EXECUTOR": "process"})
    assert without.code == 0
    assert "▲ container engine: " in without.out


def test_doctor_says_whom_gates_bind(ecluse: Command, engine: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    gate = "gates: [{window: {timezone: UTC, allow: 'Mon 09:00-10:00'}}]"
    policy.write_text(
        f"""version: 1
environments:
  dev: {{target: {{docker: {{}}}}}}
  prod: {{target: {{docker: {{}}}}, {gate}}}
  far: {{target: {{docker: {{host: "unix://{tmp_path}/no.sock"}}}}, {gate}}}
"""
    )
    told = json.loads(ecluse("doctor", "--json", env={"ECLUSE_POLICY": str(policy)}).out)
    found = {finding["name"]: finding["health"] for finding in told["findings"]}
    assert {name: health for name, health in found.items() if "gates" in name or name == "policy"} == {
        "policy": "fine",
        "gates of prod": "warned",
        "gates of far": "fine",
    }
    policy.write_text("version: 1\nenvironments: {prod: {}}\n")
    broken = ecluse("doctor", env={"ECLUSE_POLICY": str(policy)})
    assert (broken.code, "✕ policy: " in broken.out) == (3, True)


def test_doctor_says_which_compose_is_used_and_misses_it_only_where_it_is_wanted(
    ecluse: Command, compose_plugin: Mapping[str, str], tmp_path: Path
) -> None:
    def finding(**variables: str) -> dict[str, str]:
        told = json.loads(ecluse("doctor", "--json", env=variables).out)["findings"]
        return next(item for item in told if item["name"] == "compose")

    assert finding(**compose_plugin)["detail"].endswith("/docker-compose")
    git = shutil.which("git")
    assert git
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(git)
    bare = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    unused = finding(**bare)
    assert (unused["health"], "only a compose target needs it" in unused["detail"]) == ("fine", True)
    policy = tmp_path / "policy.yml"
    policy.write_text(
        "version: 1\nenvironments: {prod: {target: {compose: {file: c.yml, project: shop, service: web}}}}\n"
    )
    wanted = finding(**bare, ECLUSE_POLICY=str(policy))
    assert (wanted["health"], "'prod' is a compose target" in wanted["detail"]) == ("failed", True)
    assert "docker-compose-plugin" in wanted["remedy"]


def test_gc_says_when_it_cannot_reach_the_engine(ecluse: Command, tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    ended = ecluse("gc", env=nowhere)
    assert (ended.code, ended.out) == (3, "● nothing to remove\n")
    assert ended.err.startswith("error: ")
    assert f"{tmp_path}/no.sock" in ended.err
    assert ecluse("gc", env={**nowhere, "ECLUSE_EXECUTOR": "process"}).code == 0


def test_completion_knows_the_commands(ecluse: Command) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = ecluse("completion", shell)
        assert script.code == 0
        assert "_ECLUSE_COMPLETE" in script.out
    completed = ecluse(env={"_ECLUSE_COMPLETE": "bash_complete", "COMP_WORDS": "ecluse releases", "COMP_CWORD": "1"})
    assert completed.out.splitlines() == ["plain,releases"]


def test_a_full_disk_behind_the_output_is_one_clear_message(ecluse: Command, shop: Repository) -> None:
    program = str(Path(sys.executable).with_name("ecluse"))
    for words in (["runs"], ["show", "1"], ["logs", "1"], ["schema"]):
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                [program, *words],
                cwd=shop.path,
                env=ecluse.environment(),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert (ended.returncode, ended.stderr) == (
            3,
            "error: no space left to write the output\n  free some and try again; nothing that was recorded is lost\n",
        )
