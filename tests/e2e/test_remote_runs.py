"""Runs that a developer asks a server for from elsewhere: watched, left, cancelled, repeated, fetched."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from environment.command import Command, Result
from environment.repository import Repository
from environment.serving import Ground, ground

from pipeline.model.status import RunState, StageState

NAME = "anna/shop"
PASSWORD = "seven grey herons wade\n"
PIPELINE = """\
version: 1
name: shop
defaults: {image: busybox:1.36}
stages:
  build:
    commands:
      - mkdir -p out && printf payload > out/made.txt
      - printf '\\033]0;owned\\007built\\n'
    artifacts: [{name: made, paths: ["out/**"]}]
  unit:
    needs: build
    commands: ["echo testing", "test ! -e broken"]
"""
SLOW = """\
version: 1
name: shop
stages:
  count:
    image: busybox:1.36
    commands: ["for n in $(seq 1 400); do echo line $n; sleep 0.02; done"]
"""
WAITING = """\
version: 1
name: shop
defaults: {image: busybox:1.36}
stages:
  first: {commands: ["echo one"]}
  second: {needs: first, when: {manual: true}, commands: ["echo two"]}
"""


@dataclass(kw_only=True)
class Team:
    """A server with a repository, and a developer at another machine."""

    serving: Ground
    repository: Repository
    far: Command
    private: dict[str, str]
    url: str = ""
    port: int = 0

    def __call__(self, *words: str, stdin: str = "") -> Result:
        """The developer's command, in their checkout, asking the server."""
        return self.far(*words, "--server", "team", cwd=self.repository.path, env=self.private, stdin=stdin)

    def start(self) -> None:
        """The server; again at the same port."""
        process = self.serving.start("serve", "--listen", f"127.0.0.1:{self.port}")
        self.url = process.url
        self.port = int(self.url.rpartition(":")[2])

    def sign_in(self, role: str = "developer") -> None:
        """A token for the developer."""
        command = self.serving.command
        assert command("user", "add", "anna", "--name", "Anna", stdin=PASSWORD).code == 0
        assert command("grant", "add", "anna", "admin").code == 0
        made = command("token", "create", "anna", "laptop", "--role", role, "--json")
        secret = json.loads(made.out)["secret"]
        done = self.far("login", self.url, "--name", "team", "--token-stdin", stdin=secret + "\n", env=self.private)
        assert (done.code, secret in done.out) == (0, False), done.err
        assert "developer everywhere" in done.out


@pytest.fixture
def team(ecluse: Command, git_repo: Callable[..., Repository], tmp_path: Path) -> Iterator[Team]:
    (tmp_path / "far").mkdir()
    with ground(ecluse, tmp_path) as serving:
        made = Team(
            serving=serving,
            repository=git_repo({"pipeline.yml": PIPELINE}),
            far=Command(tmp_path / "far" / "home", tmp_path),
            private={"XDG_CONFIG_HOME": str(tmp_path / "far")},
        )
        serving.look_after(made.repository, NAME)
        made.start()
        made.sign_in()
        yield made


def told(said: Result) -> list[str]:
    """What a run printed, without times, ids and numbers, in an order of its own: stages may overlap."""
    text = re.sub(r"\d+(\.\d+)?s|[0-9a-f]{12}|#\d+", "…", said.out)
    return sorted(line for line in text.splitlines() if not line.startswith("·"))


def test_a_run_on_a_server_is_watched_like_one_here(team: Team, tmp_path: Path) -> None:
    near = team.serving.command("run", "--executor", "process", "--fresh", cwd=team.repository.path)
    far = team("run")
    assert (far.code, near.code) == (0, 0), far.err
    assert [line for line in told(far) if "[" in line] == [line for line in told(near) if "[" in line]
    assert [line for line in told(far) if "starts" in line] == [line for line in told(near) if "starts" in line]
    assert "\x1b]0;" not in far.out

    got = team("artifacts", "last", "--output", str(tmp_path / "got"))
    assert got.code == 0, got.err
    assert (tmp_path / "got" / "out" / "made.txt").read_text() == "payload"

    team.repository.commit({"broken": ""})
    failed = team("run", "--json")
    events = [json.loads(line) for line in failed.out.splitlines()]
    kinds = [event["event"] for event in events]
    assert (failed.code, kinds[0], kinds[-1]) == (1, "run_started", "run_finished")
    assert [event["stage"] for event in events if event["event"] == "stage_finished"] == [
        "checkout",
        "build",
        "unit",
    ]

    again = team("retry", "last")
    assert again.code == 1, again.err
    assert "[unit] testing" in again.out
    assert again.out.count("[unit] testing") == 1
    assert team("run", "--parallel", "3").code == 2
    assert "1 commit" not in far.err


def test_a_manual_stage_is_started_from_elsewhere(team: Team) -> None:
    team.repository.commit({"pipeline.yml": WAITING})
    parked = team("run")
    assert (parked.code, "[first] one" in parked.out) == (0, True), parked.err
    done = team("resume", "--start", "second")
    assert (done.code, "[second] two" in done.out, "[first]" in done.out) == (0, True, False), done.out + done.err


def test_who_stops_watching_leaves_the_run_and_no_line_is_lost_when_the_server_goes_down(team: Team) -> None:
    team.repository.commit({"pipeline.yml": SLOW})
    with team.far.started("run", "--server", "team", cwd=team.repository.path, env=team.private) as watching:
        assert watching.stdout is not None
        assert any("line 3" in line for line in watching.stdout)
        watching.send_signal(signal.SIGINT)
        rest = watching.stdout.read()
        watching.wait(60)
    assert (watching.returncode, "ecluse cancel" in rest) == (130, True), rest
    [run] = json.loads(team("runs", "--json").out)
    assert run["state"] == "running"

    with team.far.started("logs", "last", "-f", "--server", "team", cwd=team.repository.path, env=team.private) as tail:
        assert tail.stdout is not None
        first = [next(tail.stdout) for _ in range(3)]
        server = team.serving.started[-1]
        server.popen.kill()
        server.popen.wait()
        team.start()
        rest = tail.stdout.read()  # not communicate: some may be in the buffer of stdout already
        tail.wait(60)
    lines = re.findall(r"(?m)^\[count\] (line \d+\n)", "".join((*first, rest)))
    final = team.serving.run(run["id"], lambda found: found.state is RunState.DONE)
    assert final.stage("count").state is StageState.DONE
    whole = team("logs", "last", "count", "--attempt", "1").out
    assert lines[: whole.count("line ")] == re.findall(r"(?m)^line \d+\n", whole)
    assert len(lines) == len(set(lines)) or len(final.stage("count").attempts) > 1


def test_a_run_is_cancelled_from_elsewhere(team: Team) -> None:
    team.repository.commit({"pipeline.yml": SLOW})
    with team.far.started("run", "--server", "team", cwd=team.repository.path, env=team.private) as watching:
        assert watching.stdout is not None
        assert any("line 3" in line for line in watching.stdout)
        stopped = team("cancel", "last", "--wait")
        assert (stopped.code, stopped.out.endswith("run last has ended\n")) == (0, True), stopped.err
        watching.communicate(timeout=120)
    assert watching.returncode == 130
    over = team("cancel", "last")
    assert (over.code, "is over" in over.err) == (2, True)


def test_a_viewer_is_refused_and_a_stranger_signs_in_first(team: Team) -> None:
    made = team.serving.command("token", "create", "anna", "glass", "--role", "viewer", "--json")
    secret = json.loads(made.out)["secret"]
    variables = {**team.private, "ECLUSE_SERVER": team.url, "ECLUSE_TOKEN": secret}

    def ask(*words: str, **more: str) -> Result:
        return team.far(*words, cwd=team.repository.path, env={**variables, **more})

    assert ask("runs").code == 0
    refused = ask("run")
    assert (refused.code, "the token 'glass' is no developer of anna/shop" in refused.err) == (4, True), refused.err
    unknown = ask("runs", ECLUSE_TOKEN="ecl_nobody")
    assert (unknown.code, "ecluse login" in unknown.err) == (4, True), unknown.err
    assert secret not in ask("whoami", "--json").out
    assert json.loads(ask("whoami", "--json").out)["me"]["limits"]["role"] == "viewer"
    assert ask("logout", "team").code == 0
    gone = ask("runs", "--server", "team")
    assert (gone.code, "nobody has signed in" in gone.err) == (4, True)
    named = ask("runs", "--repository", "anna/shop")
    assert named.code == 0, named.err


def test_completion_offers_servers(team: Team) -> None:
    variables = {
        **team.private,
        "_ECLUSE_COMPLETE": "bash_complete",
        "COMP_WORDS": "ecluse runs --server t",
        "COMP_CWORD": "3",
    }
    said = subprocess.run(
        [str(team.far.program)], env=team.far.environment(variables), capture_output=True, text=True, check=False
    )
    assert "plain,team" in said.stdout
