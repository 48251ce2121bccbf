"""Going on with runs that were cut off, repeating what failed, looking into what failed: the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from environment import leftovers as traces
from environment.command import Command
from environment.repository import Repository
from environment.terminal import on_terminal

ECLUSE = str(Path(sys.executable).with_name("ecluse"))
Repositories = Callable[..., Repository]

SLOW = """
version: 1
name: slow
defaults: {{image: "{image}"}}
stages:
  before: {{commands: ["echo written > file"]}}
  slow: {{commands: ["echo awake", "sleep {seconds}", "cat file", "echo rested"]}}
  after: {{commands: ["echo after"]}}
"""
BROKEN = """
version: 1
name: broken
defaults: {{image: "{image}"}}
stages:
  unit:
    env: {{COLOUR: blue}}
    secrets: [ANSWER]
    user: "1000"
    services:
      web:
        image: "{image}"
        command: [sh, -c, "mkdir /w; echo from-web > /w/x; httpd -f -p 8080 -h /w"]
        ready: {{command: "test -e /w/x", within: 30s}}
    commands: ["echo left > file; echo mark > /tmp/mark", "test $ANSWER = right"]
  after: {{commands: ["cat file"]}}
"""


def awake(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if "awake" in line and "echo" not in line:
            return
    raise AssertionError("it never woke")


def cut(ecluse: Command, path: Path) -> None:
    """A run whose process is killed while its second stage runs."""
    with ecluse.started("run", "--plain", "--no-resume", cwd=path) as process:
        awake(process)
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture
def slow(git_repo: Repositories, images: object) -> Path:
    return git_repo({"pipeline.yml": SLOW.format(image=images.busybox, seconds=3)}).path  # type: ignore[attr-defined]


@pytest.fixture
def broken(git_repo: Repositories, images: object) -> Path:
    return git_repo({"pipeline.yml": BROKEN.format(image=images.busybox)}).path  # type: ignore[attr-defined]


def test_the_next_run_speaks_of_it_and_resume_goes_on(
    ecluse: Command, engine: str, installation: str, slow: Path
) -> None:
    cut(ecluse, slow)
    other = ecluse("run", cwd=slow)
    assert other.code == 0, other.out + other.err
    assert "was interrupted; `ecluse resume" in other.out
    resumed = ecluse("resume", cwd=slow)
    assert resumed.code == 0, resumed.out + resumed.err
    assert "slow #1 succeeded" in resumed.out
    assert ecluse("logs", "1", "slow", cwd=slow).out.count("rested") == 2, "the command's header and what it printed"
    assert traces.objects(engine, installation) == {}
    nothing = ecluse("resume", cwd=slow)
    assert nothing.code == 2
    assert "no run of this repository was interrupted" in nothing.err


def test_what_somebody_removed_from_the_engine_is_made_again(
    ecluse: Command, engine: str, installation: str, slow: Path
) -> None:
    cut(ecluse, slow)
    traces.remove(engine, traces.objects(engine, installation))  # as `docker system prune --all --volumes`, and more
    resumed = ecluse("resume", "--plain", cwd=slow)
    assert resumed.code == 0, resumed.out + resumed.err
    assert "[slow] written" in resumed.out, "it sees what the stage before it wrote"
    assert "runs again: its layer of the workspace is gone, and " in resumed.out
    stages = json.loads(ecluse("show", "last", "--json", cwd=slow).out)["stages"]
    assert [len(stage["attempts"]) for stage in stages] == [2, 2, 1, 1]
    assert traces.objects(engine, installation) == {}


def test_on_a_terminal_the_next_run_offers_to_go_on(
    ecluse: Command, engine: str, installation: str, slow: Path
) -> None:
    cut(ecluse, slow)
    with on_terminal([ECLUSE, "run"], cwd=slow, env=ecluse.environment()) as terminal:
        terminal.until("Go on with it? [Y/n]")
        terminal.type("\n")
        assert terminal.end() == 0, terminal.seen
    runs = json.loads(ecluse("runs", "--json", cwd=slow).out)
    assert len(runs) == 1
    assert runs[0]["conclusion"] == "succeeded"
    assert traces.objects(engine, installation) == {}


def test_without_its_engine_a_run_stays_to_be_resumed(
    ecluse: Command, engine: str, installation: str, slow: Path, tmp_path: Path
) -> None:
    cut(ecluse, slow)
    refused = ecluse("resume", cwd=slow, env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert (refused.code, "no container engine answers" in refused.err) == (3, True), refused.out + refused.err
    resumed = ecluse("resume", "--plain", cwd=slow)
    assert resumed.code == 0, resumed.out + resumed.err
    shown = json.loads(ecluse("show", "last", "--json", cwd=slow).out)
    assert {len(stage["attempts"]) for stage in shown["stages"]} == {1}
    assert traces.objects(engine, installation) == {}


def test_a_run_without_a_process_is_ended_by_cancel(
    ecluse: Command, engine: str, installation: str, slow: Path
) -> None:
    cut(ecluse, slow)
    cancelled = ecluse("cancel", "last", cwd=slow)
    assert cancelled.code == 0, cancelled.err
    assert traces.objects(engine, installation) == {}
    shown = json.loads(ecluse("show", "last", "--json", cwd=slow).out)
    assert shown["conclusion"] == "cancelled"
    assert "awake" in ecluse("logs", "last", "slow", cwd=slow).out
    assert ecluse("resume", "last", cwd=slow).code == 2


def test_after_a_restart_of_the_host_an_exit_code_is_not_believed(
    ecluse: Command, engine: str, installation: str, slow: Path, tmp_path: Path
) -> None:
    cut(ecluse, slow)
    boot = tmp_path / "boot_id"
    boot.write_text(f"{uuid4()}\n")
    script = f"mount --bind {boot} /proc/sys/kernel/random/boot_id && exec {ECLUSE} resume --plain"
    resumed = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], cwd=slow, env=ecluse.environment(), capture_output=True, text=True
    )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    shown = json.loads(ecluse("show", "last", "--json", cwd=slow).out)
    attempts = next(stage["attempts"] for stage in shown["stages"] if stage["name"] == "slow")
    assert [item["outcome"]["reason"] for item in attempts] == ["host restarted", "exit 0"]
    assert traces.objects(engine, installation) == {}


PARKING = """
version: 1
name: parking
defaults: {{image: "{image}"}}
stages:
  before: {{commands: ["echo written > file"]}}
  release: {{when: {{manual: true}}, commands: ["cat file", "echo released > out"]}}
  after: {{commands: ["cat file out"]}}
"""


def test_a_parked_run_keeps_its_files_and_holds_nothing_that_runs(
    ecluse: Command, engine: str, installation: str, git_repo: Repositories, images: object
) -> None:
    path = git_repo({"pipeline.yml": PARKING.format(image=images.busybox)}).path  # type: ignore[attr-defined]
    parked = ecluse("run", cwd=path)
    assert parked.code == 0, parked.out + parked.err
    left = [name for name, kind in traces.objects(engine, installation).items() if kind == "container"]
    states = subprocess.run(
        ["docker", "inspect", "-f", "{{.State.Status}}", *left], capture_output=True, text=True, check=False
    ).stdout.split()
    assert set(states) <= {"created"}
    resumed = ecluse("resume", "last", "--start", "release", cwd=path)
    assert resumed.code == 0, resumed.out + resumed.err
    assert ecluse("logs", "last", "after", cwd=path).out.splitlines()[-2:] == ["written", "released"]
    assert traces.objects(engine, installation) == {}


def fail(ecluse: Command, path: Path, *more: str) -> None:
    failed = ecluse("run", *more, cwd=path, env={"ECLUSE_SECRET_ANSWER": "wrong-answer"})
    assert failed.code == 1, failed.out + failed.err


def test_a_retry_repeats_what_failed_with_the_files_that_it_needs(
    ecluse: Command, engine: str, installation: str, broken: Path
) -> None:
    fail(ecluse, broken)
    planned = json.loads(ecluse("retry", "last", "--plan", "--json", cwd=broken).out)
    assert planned["again"] == {
        "checkout": "its layer of the workspace is gone, and unit needs it",
        "unit": "failed: exit 1",
        "after": "blocked: needs unit: failed",
    }
    again = ecluse("retry", "last", cwd=broken, env={"ECLUSE_SECRET_ANSWER": "right"})
    assert again.code == 0, again.out + again.err
    shown = json.loads(ecluse("show", "last", "--json", cwd=broken).out)
    assert shown["number"] == 1
    assert {stage["name"]: len(stage["attempts"]) for stage in shown["stages"]} == {
        "checkout": 2,
        "unit": 2,
        "after": 1,
    }
    assert "left" in ecluse("logs", "last", "after", cwd=broken).out
    assert traces.objects(engine, installation) == {}


KEPT_BETWEEN = """
version: 1
name: between
defaults: {{image: "{image}"}}
stages:
  make: {{commands: ["sleep 1; echo made > file"]}}
  image: {{kind: build}}
  unit: {{commands: ["cat file; echo answer $ANSWER; test $ANSWER = right"], secrets: [ANSWER]}}
"""


def test_a_retry_waits_for_files_that_are_made_again_behind_a_stage_that_is_not(
    ecluse: Command, engine: str, git_repo: Repositories, images: object
) -> None:
    busybox = images.busybox  # type: ignore[attr-defined]
    path = git_repo({"pipeline.yml": KEPT_BETWEEN.format(image=busybox), "Dockerfile": f"FROM {busybox}\n"}).path
    fail(ecluse, path)
    again = ecluse("retry", "last", cwd=path, env={"ECLUSE_SECRET_ANSWER": "right"})
    assert again.code == 0, again.out + again.err
    assert "made" in ecluse("logs", "last", "unit", cwd=path).out.splitlines()
    shown = json.loads(ecluse("show", "last", "--json", cwd=path).out)
    assert {stage["name"]: len(stage["attempts"]) for stage in shown["stages"]} == {
        "checkout": 2,
        "make": 2,
        "image": 1,
        "unit": 2,
    }


def test_a_shell_sees_what_the_stage_left(ecluse: Command, engine: str, installation: str, broken: Path) -> None:
    fail(ecluse, broken, "--keep-failed")
    kept = traces.objects(engine, installation)
    words = 'pwd; cat file /tmp/mark; echo "$COLOUR [$ANSWER]"; id -u; exit 7'
    looked = ecluse("shell", "last", "unit", "--", "sh", "-c", words, cwd=broken)
    assert looked.code == 7, looked.err
    assert looked.out.split("\n") == ["/workspace", "left", "mark", "blue []", "1000", ""]
    asked = "printf 'GET /x HTTP/1.0\\r\\n\\r\\n' | nc web 8080"
    assert "from-web" in ecluse("shell", "last", "unit", "--", "sh", "-c", asked, cwd=broken).out
    told = ecluse(
        "shell", "last", "unit", "--secrets", "--", "sh", "-c", "echo [$ANSWER]", cwd=broken,
        env={"ECLUSE_SECRET_ANSWER": "wrong-answer"},
    )  # fmt: skip
    assert told.out == "[wrong-answer]\n"
    piped = ecluse("shell", "last", "unit", "--", "cat", cwd=broken, stdin="through\n")
    assert (piped.code, piped.out) == (0, "through\n")
    assert traces.objects(engine, installation) == kept, "the shells are gone, what was kept is there"
    inspected = subprocess.run(["docker", "inspect", *kept], capture_output=True, text=True, check=False).stdout
    assert "wrong-answer" not in inspected


def test_a_shell_whose_terminal_is_closed_leaves_nothing(
    ecluse: Command, engine: str, installation: str, broken: Path
) -> None:
    fail(ecluse, broken, "--keep-failed")
    kept = traces.objects(engine, installation)
    with on_terminal([ECLUSE, "shell", "last", "unit"], cwd=broken, env=ecluse.environment()) as terminal:
        terminal.until("/workspace $ ")
        terminal.hang_up()
        terminal.end()
    assert traces.objects(engine, installation) == kept


def test_a_shell_on_a_terminal(ecluse: Command, engine: str, installation: str, broken: Path) -> None:
    fail(ecluse, broken, "--keep-failed")
    with on_terminal([ECLUSE, "shell", "last", "unit"], cwd=broken, env=ecluse.environment()) as terminal:
        terminal.until("/workspace $ ")
        terminal.type("echo ready-$((40+2)); stty size\n")
        terminal.until("ready-42")
        terminal.until("40 100")
        terminal.resize(50, 120)
        terminal.type("sleep 1; stty size; cat file\n")
        terminal.until("50 120")
        terminal.until("left")
        terminal.type("sh -c 'echo asleep-$((40+3)); exec sleep 100'\n")
        terminal.until("asleep-43")  # a Ctrl-C before that would meet the shell, and not what runs in it
        terminal.type("\x03")
        terminal.type("exit 5\n")
        assert terminal.end() == 5, terminal.seen


def test_what_is_kept_is_bounded_and_gc_removes_it(
    ecluse: Command, engine: str, installation: str, broken: Path
) -> None:
    bound = {"ECLUSE_SECRET_ANSWER": "wrong-answer", "ECLUSE_KEEP_FAILED": "true", "ECLUSE_KEEP_FAILED_MOST": "1"}
    for _ in range(2):
        assert ecluse("run", cwd=broken, env=bound).code == 1
    runs = {item["id"]: item["number"] for item in json.loads(ecluse("runs", "--json", cwd=broken).out)}
    left = traces.objects(engine, installation)
    assert {runs[run] for run in runs if any(run in name for name in left)} == {2}
    gone = ecluse("shell", "1", "unit", "--", "true", cwd=broken)
    assert gone.code == 2
    assert "was kept" in gone.err
    assert "ecluse retry 1 'unit' --keep-failed" in gone.err
    assert ecluse("gc", cwd=broken, env={"ECLUSE_KEEP_FAILED_HOURS": "0"}).code == 0
    assert traces.objects(engine, installation) == {}


@pytest.fixture(autouse=True)
def nothing_is_left(engine: str, installation: str) -> object:
    """What these tests keep on purpose goes with them."""
    yield
    traces.remove(engine, traces.objects(engine, installation))
    assert os.environ.get("DOCKER_HOST")
