"""Ctrl-C, SIGTERM, kill -9, an engine that goes away, a disk that fills: nothing is lost, nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from environment import leftovers as traces
from environment.command import Command
from environment.repository import Repository

SLEEPER = """
version: 1
name: sleeper
defaults: {{image: "{image}"}}
stages:
  before: {{commands: ["echo written > file"]}}
  sleeping: {{commands: ["echo awake", "sleep 300"]}}
  after: {{commands: ["echo never"]}}
"""

Repositories = Callable[..., Repository]


def engine_objects(url: str, installation: str) -> dict[str, str]:
    """What this installation has on the engine, name → kind."""
    return traces.objects(url, installation)


def until_awake(process: subprocess.Popen[str]) -> list[str]:
    """Read the plain output until the second stage's command prints."""
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line)
        if "awake" in line and "echo" not in line:
            return seen
    raise AssertionError("".join(seen) + (process.stderr.read() if process.stderr else ""))


@pytest.fixture
def sleeper(git_repo: Repositories, images: object) -> Path:
    return git_repo({"pipeline.yml": SLEEPER.format(image=images.busybox)}).path  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_one_signal_cancels_tidily(
    ecluse: Command, engine: str, installation: str, sleeper: Path, number: signal.Signals
) -> None:
    with ecluse.started("run", cwd=sleeper) as process:
        until_awake(process)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "cancelled" in out
    assert engine_objects(engine, installation) == {}
    shown = json.loads(ecluse("show", "last", "--json", cwd=sleeper).out)
    assert shown["conclusion"] == "cancelled"
    conclusions = {stage["name"]: stage["outcome"]["conclusion"] for stage in shown["stages"]}
    assert conclusions == {
        "checkout": "succeeded",
        "before": "succeeded",
        "sleeping": "cancelled",
        "after": "cancelled",
    }
    assert "awake" in ecluse("logs", "last", "sleeping", cwd=sleeper).out


def test_a_second_ctrl_c_kills_at_once_and_still_leaves_nothing(
    ecluse: Command, engine: str, installation: str, git_repo: Repositories, images: object
) -> None:
    stubborn = SLEEPER.replace('"sleep 300"', "\"trap '' TERM; sleep 300 & wait; sleep 300\"")
    path = git_repo({"pipeline.yml": stubborn.format(image=images.busybox)}).path  # type: ignore[attr-defined]
    with ecluse.started("run", cwd=path, env={"ECLUSE_GRACE": "200"}) as process:
        until_awake(process)
        process.send_signal(signal.SIGINT)
        assert any("Ctrl-C again kills" in line for line in process.stdout or ()), "the first one was never heard"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert engine_objects(engine, installation) == {}
    shown = json.loads(ecluse("show", "last", "--json", cwd=path).out)
    assert shown["conclusion"] == "cancelled"
    assert {stage["state"] for stage in shown["stages"]} == {"done"}, shown["stages"]


def test_a_second_ctrl_c_while_it_clears_away_leaves_nothing(
    ecluse: Command, engine: str, installation: str, sleeper: Path
) -> None:
    with ecluse.started("run", "--plain", cwd=sleeper) as process:
        until_awake(process)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("✕ after cancelled"):
                break
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "ecluse retry 1" in said
    assert engine_objects(engine, installation) == {}
    shown = json.loads(ecluse("show", "last", "--json", cwd=sleeper).out)
    assert (shown["state"], shown["conclusion"]) == ("done", "cancelled")


def test_after_kill_9_gc_abandon_removes_everything_and_nothing_of_others(
    ecluse: Command, engine: str, installation: str, sleeper: Path
) -> None:
    other = "f" * 32
    bystander = subprocess.run(
        [
            "docker", "run", "-d", "--label", f"io.ecluse.installation={other}", "--label", "io.ecluse.run=01other",
            "--label", "io.ecluse.role=stage", os.environ["ECLUSE_TEST_BUSYBOX"], "sleep", "120",
        ],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    try:
        with ecluse.started("run", cwd=sleeper) as process:
            until_awake(process)
            process.kill()
            process.communicate(timeout=30)
        assert engine_objects(engine, installation) != {}
        kept = ecluse("gc", cwd=sleeper)
        assert kept.code == 0
        assert engine_objects(engine, installation) != {}, "a run that could be resumed is kept for 24 h"
        removed = ecluse("gc", "--abandon", cwd=sleeper)
        assert removed.code == 0, removed.err
        assert engine_objects(engine, installation) == {}
        running = subprocess.run(["docker", "inspect", "-f", "{{.State.Running}}", bystander], capture_output=True)
        assert running.stdout.strip() == b"true"
    finally:
        subprocess.run(["docker", "rm", "-f", bystander], capture_output=True, check=True)


def test_cancel_from_another_terminal(ecluse: Command, engine: str, installation: str, sleeper: Path) -> None:
    with ecluse.started("run", cwd=sleeper) as process:
        until_awake(process)
        asked = ecluse("cancel", "last", cwd=sleeper)
        assert asked.code == 0, asked.err
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert engine_objects(engine, installation) == {}


def test_a_failing_stage_leaves_nothing(
    ecluse: Command, engine: str, installation: str, git_repo: Repositories, images: object
) -> None:
    text = SLEEPER.replace('"sleep 300"', '"exit 3"').format(image=images.busybox)  # type: ignore[attr-defined]
    ended = ecluse("run", cwd=git_repo({"pipeline.yml": text}).path)
    assert ended.code == 1
    assert "exit 3" in ended.out
    assert "ecluse logs" in ended.out
    assert engine_objects(engine, installation) == {}


def test_no_engine_is_one_clear_message(ecluse: Command, sleeper: Path, tmp_path: Path) -> None:
    ended = ecluse("run", cwd=sleeper, env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert ended.code == 3
    assert "no container engine answers" in ended.out + ended.err
    assert "ecluse doctor" in ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err


def test_a_missing_image_is_one_clear_message(ecluse: Command, engine: str, git_repo: Repositories) -> None:
    text = SLEEPER.format(image="127.0.0.1:1/nobody/nothing:7")
    ended = ecluse("run", cwd=git_repo({"pipeline.yml": text}).path)
    assert ended.code == 3
    assert "127.0.0.1:1/nobody/nothing:7" in ended.out
    assert "Traceback" not in ended.out + ended.err


@pytest.fixture
def small_disk(tmp_path: Path) -> object:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.fail("this test mounts a small tmpfs: run the tests as root", pytrace=False)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_clear_message_and_leaves_no_container(
    ecluse: Command, engine: str, installation: str, git_repo: Repositories, images: object, small_disk: Path
) -> None:
    (small_disk / "installation").write_text(installation + "\n")
    text = f"""
version: 1
name: talkative
stages:
  talk: {{image: "{images.busybox}", source: false, commands: ["seq 1000000"]}}
"""  # type: ignore[attr-defined]
    ended = ecluse("run", cwd=git_repo({"pipeline.yml": text}).path, env={"ECLUSE_HOME": str(small_disk)})
    assert ended.code == 3
    said = ended.out[-3000:] + ended.err
    assert "no space left" in said.lower() or "disk is full" in said.lower()
    assert "Traceback" not in said
    assert engine_objects(engine, installation) == {}


def test_not_a_repository_is_one_clear_message(ecluse: Command, tmp_path: Path) -> None:
    folder = tmp_path / "plain folder"
    folder.mkdir()
    (folder / "pipeline.yml").write_text("version: 1\nname: x\nstages: {}\n")
    ended = ecluse("run", cwd=folder)
    assert ended.code == 2
    assert "not" in ended.err
    assert "git init" in ended.err
