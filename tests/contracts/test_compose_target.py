"""What the compose target promises beyond the contract of targets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from compose_ground import ALONE, WITH_NEIGHBOURS, ComposeProject
from environment.servers import eventually
from target_ground import DEAF, GOOD

from pipeline.errors import CancelledError, TargetError
from pipeline.ports.cancellation import Cancellation
from pipeline.targets.compose.installed import installed

both = pytest.mark.parametrize("composed", ["plugin", "older"], indirect=True)
"""For what the two generations of compose do in ways of their own."""

OWN_SECRETS = ALONE + "    secrets: [key]\nsecrets: {{key: {{file: ./compose.yml}}}}\n"
LAME = ALONE + '    depends_on: [database]\n  database: {{image: {image}, command: sh -c "exit 7"}}\n'
UNMADE = (
    ALONE
    + "    depends_on: {{schema: {{condition: service_completed_successfully}}}}\n"
    + '  schema: {{image: {image}, command: "false"}}\n'
)


@both
def test_what_a_person_started_is_seen_taken_over_and_can_come_back(composed: ComposeProject) -> None:
    composed.write(WITH_NEIGHBOURS)
    composed.by_hand("up", "-d", "shop")
    for neighbour in ("database", "schema"):
        composed.docker("rm", "-f", composed.started(neighbour)[0].split()[0])
    (theirs,) = composed.target().observe().serving
    assert (theirs.promotion, theirs.release, theirs.image.startswith("sha256:")) == ("", "", True)
    result = composed.roll_out("p1", script=f"echo $VERSION begins; echo oh >&2; {GOOD}")
    assert result.succeeded, result.reason
    assert composed.page() == "p1"
    assert result.observed.serving[0].addresses == (f"127.0.0.1:{composed.port}",)
    database = composed.started("database")
    assert (len(database), len(composed.started("schema")), composed.started("other")) == (1, 1, [])
    assert composed.target().command(("sh", "-c", "echo $KEPT $VERSION"), timeout=10) == (0, "yes p1\n")
    (wrote,) = composed.target().logs("p1", since=None, limit=99).values()
    assert sorted(wrote.splitlines()) == [b"oh", b"p1 begins"]
    composed.by_hand("up", "-d", "--no-deps", "shop")
    assert composed.serving() == [""]
    assert composed.roll_out("p2").succeeded
    assert (composed.serving(), composed.page()) == (["p2"], "p2")
    back = composed.target().roll_back("p2", progress=print)
    assert back.succeeded, back.reason
    assert [(item.promotion, item.image) for item in back.observed.serving] == [("", theirs.image)]
    assert (composed.page(), composed.started("database")) == ("by hand", database)


def test_secrets_are_files_come_back_with_their_version_and_show_nowhere(composed: ComposeProject) -> None:
    for promotion in ("p1", "p2"):
        told = {"PASSWORD": f"hush-{promotion}"}
        assert composed.roll_out(promotion, secrets=told).succeeded
        assert composed.target().command(("cat", "/run/secrets/PASSWORD"), timeout=10) == (0, f"hush-{promotion}")
        assert "hush" not in composed.inspected()
    assert composed.target().roll_back("p2", progress=print).succeeded
    assert composed.target().command(("cat", "/run/secrets/PASSWORD"), timeout=10) == (0, "hush-p1")
    assert [name.rpartition("-")[2] for name in composed.volumes()] == ["p1"]


def test_the_health_check_of_the_file_decides(composed: ComposeProject) -> None:
    check = '    healthcheck: {{test: "test -e /ready", interval: 1s}}\n'
    composed.write(ALONE + check)
    ordered = composed.order("p1", script=DEAF, timeout=0.5)
    result = composed.target().roll_out(ordered, progress=print, cancel=Cancellation())
    assert (result.succeeded, "health check" in result.reason) == (False, True)
    assert composed.roll_out("p2", script=f"touch /ready; {GOOD}").observed.serving[0].healthy is True


@both
def test_a_port_that_is_taken_lets_the_old_one_serve_again_although_the_file_has_changed(
    composed: ComposeProject,
) -> None:
    composed.roll_out("p1")
    before = composed.target().observe().serving[0].name
    with socket.create_server(("127.0.0.1", 0)) as taken:
        also = f'"127.0.0.1:{taken.getsockname()[1]}:9090", "127.0.0.1:{{port}}:8080"'
        composed.write(ALONE.replace('"127.0.0.1:{port}:8080"', also))
        with pytest.raises(TargetError, match=r"already (in use|allocated)"):
            composed.roll_out("p2")
        assert (composed.page(), composed.target().observe().serving[0].name) == ("p1", before)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        pytest.param("services: {{else: {{image: x}}}}", "has no service 'shop'", id="no-service"),
        pytest.param(ALONE + "    portss: 1\n", "portss", id="not-understood"),
        pytest.param(OWN_SECRETS, "has `secrets` in its file", id="secrets-of-both"),
        pytest.param(LAME, "'database', which 'shop' depends on, does not serve: .* exit 7", id="lame-neighbour"),
        pytest.param(UNMADE, "'schema', which 'shop' depends on, does not serve: it did not end well", id="unmade"),
    ],
)
def test_a_file_that_cannot_work_is_said_before_anything_moves(composed: ComposeProject, file: str, words: str) -> None:
    composed.write(file)
    with pytest.raises(TargetError, match=words):
        composed.roll_out("p1", secrets={"PASSWORD": "hush"})
    assert composed.target().observe().instances == ()


def test_a_service_of_another_environment_is_left_alone(composed: ComposeProject) -> None:
    composed.roll_out("p1")
    for stranger in (composed.target(name="prod"), composed.target(service="else")):
        assert stranger.observe().instances == ()
        with pytest.raises(TargetError, match="belongs to environment 'dev' of pipeline 'shop'"):
            stranger.roll_out(composed.order("p2"), progress=print, cancel=Cancellation())
        assert "nothing of promotion p1" in stranger.roll_back("p1", progress=print).reason
        stranger.remove()
    assert composed.page() == "p1"


DYING = """
import sys
from pathlib import Path
from compose_ground import ComposeProject

url, home, image, name, port = sys.argv[1:]
subject = ComposeProject(url, Path(home), image)
subject.name, subject.port = name, int(port)
subject.write(Path(home, "mine.yml").read_text())
subject.roll_out("p2")
"""
KILLER = """#!/bin/sh
# Stands before the real compose: does of `up` what MOMENT says, then kills the promoter.
case " $* " in
*" up "*) ;;
*) exec {real} "$@" ;;
esac
case $MOMENT in
created)
  for word; do
    shift
    if [ "$word" = -d ]; then word=--no-start; fi
    set -- "$@" "$word"
  done
  {real} "$@" >/dev/null 2>&1 ;;
esac
kill -9 $PPID
"""


def promoter(composed: ComposeProject, **variables: str) -> subprocess.Popen[str]:
    """Rolls out p2 in a process of its own."""
    (composed.settings.home / "mine.yml").write_text(ALONE)
    facts = (composed.settings.docker_host, str(composed.settings.home), composed.image, composed.name)
    paths = os.pathsep.join(["tests", "tests/contracts"])
    return subprocess.Popen(
        [sys.executable, "-c", DYING, *facts, str(composed.port)],
        env={**os.environ, "PYTHONPATH": paths, **variables},
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def die(composed: ComposeProject, moment: str) -> None:
    """Roll out p2 in a process that is killed in its call of compose."""
    home = composed.settings.home
    tools, plugins = home / "tools", home / "tools/cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    real = installed(os.environ)
    killer = (plugins if real.plugin else tools) / "docker-compose"
    killer.write_text(KILLER.format(real=real.words[0]))
    killer.chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    with promoter(composed, PATH=path, DOCKER_CONFIG=str(tools), MOMENT=moment) as dying:
        said, complaints = dying.communicate()
    assert dying.returncode == -signal.SIGKILL, said + complaints


def composing(composed: ComposeProject) -> list[int]:
    """Processes that change the project now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if composed.name.encode() in words and b"up" in words:
                found.append(int(folder.name))
    return found


def test_compose_ends_with_a_promoter_that_is_killed(composed: ComposeProject) -> None:
    composed.roll_out("p1", script=f"trap '' TERM; {GOOD}")
    with promoter(composed) as dying:
        eventually(lambda: composing(composed) or None, seconds=30, what="compose at work")
        dying.kill()
    eventually(lambda: not composing(composed) or None, seconds=5, what="no compose any more")
    back = composed.target().roll_back("p2", progress=print)
    assert (back.succeeded or "nothing of promotion p2" in back.reason, composed.page()) == (True, "p1")


@both
def test_a_promotion_killed_half_way_is_taken_back(composed: ComposeProject) -> None:
    composed.roll_out("p1")
    die(composed, "created")
    assert composed.target().observe().serving == ()
    back = composed.target().roll_back("p2", progress=print)
    assert back.succeeded, back.reason
    assert ([item.promotion for item in back.observed.instances], composed.page()) == (["p1"], "p1")


def test_a_promotion_killed_before_it_did_anything_or_half_way_is_finished(composed: ComposeProject) -> None:
    composed.roll_out("p1")
    die(composed, "before")
    assert composed.target().roll_back("p2", progress=print).reason == "nothing of promotion p2 runs"
    die(composed, "created")
    assert composed.roll_out("p2").succeeded
    assert composed.page() == "p2"


def test_a_cancel_while_compose_works_leaves_the_old_one(composed: ComposeProject) -> None:
    composed.roll_out("p1")
    before, cancel = composed.target().observe(), Cancellation()

    def say(line: str) -> None:
        if line.startswith("compose makes"):
            cancel.cancel("enough")

    with pytest.raises(CancelledError, match="enough"):
        composed.target().roll_out(composed.order("p2"), progress=say, cancel=cancel)
    assert (composed.target().observe(), composed.page()) == (before, "p1")
