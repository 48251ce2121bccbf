"""What the docker target promises beyond the contract of targets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from target_ground import DEAF, ENDS, GOOD, Engine, Images, order

from pipeline.errors import TargetError
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation

RECREATE = Strategy(kind=StrategyKind.RECREATE)


def test_the_port_changes_hands_while_both_processes_run_on(docker: Engine) -> None:
    target, said = docker.target(), []
    target.roll_out(order("p1", docker.image), progress=said.append, cancel=Cancellation())
    first = docker.docker("inspect", "-f", "{{.State.StartedAt}}", target.observe().serving[0].name)
    result = target.roll_out(order("p2", docker.image), progress=said.append, cancel=Cancellation())
    assert docker.page() == "p2"
    assert result.gap is not None
    assert 0 < result.gap < 5
    assert any("nobody answered for" in line for line in said)
    back = target.roll_back("p2", progress=said.append)
    assert docker.page() == "p1"
    assert docker.docker("inspect", "-f", "{{.State.StartedAt}}", back.observed.serving[0].name) == first
    assert target.observe().serving[0].addresses == (f"127.0.0.1:{docker.port}",)


def test_nobody_waits_long_for_a_container_without_a_listener(docker: Engine) -> None:
    docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    deaf = docker.target(script=DEAF, warm_up="isolated")
    result = deaf.roll_out(order("p2", docker.image, timeout=1.5), progress=print, cancel=Cancellation())
    assert not result.succeeded
    assert "not healthy within 1.5s: nothing listens on port 8080" in result.reason
    assert docker.page() == "p1"


@pytest.mark.parametrize(
    ("health", "script", "words"),
    [
        pytest.param("test -e /ready", f"touch /ready; {GOOD}", "", id="command-good"),
        pytest.param("echo no ready file; test -e /ready", GOOD, "health check", id="command-bad"),
        pytest.param({"http": "/", "port": 8080, "within": "5s"}, GOOD, "", id="http-good"),
        pytest.param({"http": "/nope", "port": 8080, "within": "1s"}, GOOD, "status 404", id="http-bad"),
    ],
)
def test_the_health_check_of_the_file_decides(docker: Engine, health: Value, script: str, words: str) -> None:
    target = docker.target(health=health, script=script)
    result = target.roll_out(order("p1", docker.image, timeout=3), progress=print, cancel=Cancellation())
    assert (result.succeeded, words in result.reason) == (not words, True)
    if not words and isinstance(health, str):
        assert target.observe().serving[0].healthy is True


@pytest.fixture
def tried(docker: Engine, installation: str) -> Iterator[str]:
    """A volume of the test's own, on which a container leaves that it was started before."""
    name = f"tried-{installation}"
    docker.docker("volume", "create", "--label", f"io.ecluse.installation={installation}", name)
    yield name
    docker.target().remove()
    docker.docker("volume", "rm", name)


def test_a_version_that_does_not_start_in_isolation_is_rehearsed_with_a_way_out(docker: Engine, tried: str) -> None:
    docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    said: list[str] = []
    script = f"test -e /tried/before || {{ touch /tried/before; exit 4; }}; {GOOD}"
    picky = docker.target(script=script, volumes=[f"{tried}:/tried"])
    result = picky.roll_out(order("p2", docker.image), progress=said.append, cancel=Cancellation())
    assert result.succeeded, result.reason
    assert any("once more with a way out" in line for line in said)
    assert result.gap is not None
    assert docker.page() == "p2"
    picky.roll_back("p2", progress=said.append)
    assert docker.page() == "p1"


@pytest.fixture
def database(docker: Engine, installation: str) -> Iterator[str]:
    """A network of the test's own, on which something called `database` answers."""
    name, label = f"data-{installation}", ("--label", f"io.ecluse.installation={installation}")
    docker.docker("network", "create", *label, name)
    command = ("sh", "-c", GOOD)
    docker.docker("run", "-d", "--name", f"{name}-db", *label, "--network", name, "--network-alias", "database",
                  docker.image, *command)  # fmt: skip
    yield name
    docker.target().remove()
    docker.docker("rm", "-f", f"{name}-db")
    docker.docker("network", "rm", name)


def test_a_version_that_needs_a_neighbour_meets_it_on_a_network_of_the_users(docker: Engine, database: str) -> None:
    target = docker.target(network=database, script=f"wget -q -O /dev/null http://database:8080/ || exit 5; {GOOD}")
    for promotion in ("p1", "p2"):
        result = target.roll_out(order(promotion, docker.image), progress=print, cancel=Cancellation())
        assert result.succeeded, result.reason
        assert docker.page() == promotion
    assert target.roll_back("p2", progress=print).succeeded
    assert docker.page() == "p1"
    code, _ = target.command(("wget", "-q", "-O", "/dev/null", "http://database:8080/"), timeout=10)
    assert code == 0


def test_the_new_one_has_a_way_out_once_it_serves(docker: Engine) -> None:
    target = docker.target()
    for promotion in ("p1", "p2"):
        target.roll_out(order(promotion, docker.image), progress=print, cancel=Cancellation())
        code, output = target.command(("ip", "route"), timeout=10)
        assert (code, "default via" in output) == (0, True)


def test_a_port_of_somebody_else_is_named_and_left_alone(docker: Engine) -> None:
    theirs = docker.target(name="other", service="theirs")
    theirs.roll_out(order("q1", docker.image), progress=print, cancel=Cancellation())
    with pytest.raises(TargetError, match=f"127.0.0.1:{docker.port} is already published by container ecluse-.*-q1"):
        docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    assert docker.page() == "q1"


def test_a_port_of_a_process_of_the_host_is_an_error_that_leaves_nothing(docker: Engine) -> None:
    with socket.create_server(("127.0.0.1", docker.port)):
        with pytest.raises(Exception, match=r"address already in use|already allocated"):
            docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
        assert docker.target().observe().instances == ()


def test_a_changed_port_that_is_taken_gives_the_old_one_its_ports_back(docker: Engine) -> None:
    docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        publish: Value = [f"127.0.0.1:{docker.port}:8080", f"127.0.0.1:{taken.getsockname()[1]}:9090"]
        with pytest.raises(Exception, match=r"address already in use|already allocated"):
            docker.target(publish=publish).roll_out(order("p2", docker.image), progress=print, cancel=Cancellation())
    assert docker.page() == "p1"
    assert [item.promotion for item in docker.target().observe().instances] == ["p1"]


def test_the_same_release_with_the_same_configuration_stays(docker: Engine) -> None:
    target = docker.target()
    target.roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    before = target.observe()
    same = replace(order("p2", docker.image), configuration={"VERSION": "p1"})
    result = target.roll_out(same, progress=print, cancel=Cancellation())
    assert (result.succeeded, result.observed) == (True, before)
    changed = target.roll_out(order("p3", docker.image), progress=print, cancel=Cancellation())
    assert changed.observed.serving[0].promotion == "p3"


def test_a_stopped_version_is_kept_for_a_new_one_that_fails(docker: Engine) -> None:
    target = docker.target()
    target.roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    docker.docker("stop", "--time", "0", target.observe().serving[0].name)
    assert target.observe().serving == ()
    bad = docker.target(script=ENDS).roll_out(order("p2", docker.image), progress=print, cancel=Cancellation())
    assert not bad.succeeded
    assert [item.promotion for item in target.observe().instances] == ["p1"]
    assert target.roll_out(order("p3", docker.image), progress=print, cancel=Cancellation()).succeeded
    assert docker.page() == "p3"
    assert target.roll_back("p3", progress=print).succeeded
    assert docker.page() == "p1"


def test_other_installations_services_and_environments_are_invisible(
    docker: Engine, engine: str, images: Images, tmp_path: Path, installation: str
) -> None:
    docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    home = tmp_path / "second"
    home.mkdir()
    (home / "installation").write_text("f" * 8 + installation[8:])
    second = Engine(engine, home, images.busybox)
    try:
        for stranger in (second.target(), second.target(name="prod"), docker.target(service="else")):
            assert stranger.observe().instances == ()
            stranger.remove()
        second.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
        second.target().remove()
    finally:
        for target in second.made:
            target.remove()
    assert docker.page() == "p1"


def test_the_log_of_each_version_since_a_moment(docker: Engine) -> None:
    target = docker.target(script=f"echo $VERSION begins; echo $VERSION complains >&2; {GOOD}")
    for promotion in ("p1", "p2"):
        target.roll_out(order(promotion, docker.image), progress=print, cancel=Cancellation())
    (new,) = target.observe().serving
    wrote = target.logs("p2", since=None, limit=1 << 16)
    assert {name: sorted(text.splitlines()) for name, text in wrote.items()} == {
        new.name: [b"p2 begins", b"p2 complains"]
    }
    assert all(b"p1 begins\n" in text for text in target.logs("p1", since=None, limit=1 << 16).values())
    assert [len(text) for text in target.logs("p2", since=None, limit=5).values()] == [5]
    assert target.logs("p2", since=datetime.now(UTC) + timedelta(minutes=1), limit=99) == {new.name: b""}
    assert target.logs("p9", since=None, limit=99) == {}


def test_secrets_are_files_and_show_nowhere(docker: Engine) -> None:
    target = docker.target(user="1000")
    told = replace(order("p1", docker.image), secrets={"DB_PASSWORD": "hush-hush-hush"})
    assert target.roll_out(told, progress=print, cancel=Cancellation()).succeeded is False  # /w belongs to root
    target = docker.target()
    result = target.roll_out(told, progress=print, cancel=Cancellation())
    name = result.observed.serving[0].name
    assert target.command(("cat", "/run/secrets/DB_PASSWORD"), timeout=10) == (0, "hush-hush-hush")
    assert "hush" not in docker.docker("inspect", name)


DYING = """
import os, signal, sys
from pathlib import Path
from typing import Protocol
from target_ground import Engine, order
from pipeline.dockerapi import connect
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation

url, home, image, port, method = sys.argv[1:]
subject = Engine(url, Path(home), image)
subject.port = int(port)
target = subject.target()
client = connect(subject.settings)
real = getattr(client, method)

def last(*args, **more):
    real(*args, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(client, method, last)
kind = os.environ.get("STRATEGY")
strategy = Strategy(kind=StrategyKind(kind)) if kind else None
target.roll_out(order("p2", image, strategy=strategy), progress=print, cancel=Cancellation())
"""


def die_in_rollout(docker: Engine, method: str, *, strategy: str = "") -> None:
    """Roll out p2 in a process of its own that kills itself right after this call to the engine."""
    facts = (docker.settings.docker_host, str(docker.settings.home), docker.image, str(docker.port), method)
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", "tests/contracts"]), "STRATEGY": strategy}
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", DYING, *facts], env=variables, cwd=root, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


KILLED = pytest.mark.parametrize(
    "method",
    [
        pytest.param("create_container_from_config", id="created"),
        pytest.param("start", id="started"),
        pytest.param("disconnect_container_from_network", id="in-the-gap"),
        pytest.param("connect_container_to_network", id="handed-over"),
    ],
)


@KILLED
def test_a_killed_rollout_is_finished_by_the_next_try(docker: Engine, method: str) -> None:
    docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    die_in_rollout(docker, method)
    result = docker.target().roll_out(order("p2", docker.image), progress=print, cancel=Cancellation())
    assert result.succeeded, result.reason
    assert docker.page() == "p2"
    observed = docker.target().confirm("p2", progress=print)
    assert [item.promotion for item in observed.instances] == ["p2"]


@KILLED
def test_a_killed_rollout_can_be_taken_back(docker: Engine, method: str) -> None:
    docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    die_in_rollout(docker, method)
    result = docker.target().roll_back("p2", progress=print)
    assert result.succeeded, result.reason
    assert [item.promotion for item in result.observed.instances] == ["p1"]
    assert docker.page() == "p1"


def test_another_promotion_after_a_kill_in_the_gap_replaces_the_one_that_served(docker: Engine) -> None:
    docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    die_in_rollout(docker, "disconnect_container_from_network")
    target = docker.target()
    assert target.roll_out(order("p3", docker.image), progress=print, cancel=Cancellation()).succeeded
    assert docker.page() == "p3"
    target.roll_back("p3", progress=print)
    assert docker.page() == "p1"


def test_recreating_never_runs_both_on_the_way_there_nor_back(docker: Engine, tried: str) -> None:
    script = f"mkdir /tried/mine || exit 6; trap 'rmdir /tried/mine; exit 0' TERM; ({GOOD}) & wait"
    target = docker.target(script=script, volumes=[f"{tried}:/tried"], drain="5s")
    target.roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    result = target.roll_out(order("p2", docker.image, strategy=RECREATE), progress=print, cancel=Cancellation())
    assert result.succeeded, result.reason
    assert docker.page() == "p2"
    assert result.gap is not None
    assert result.gap > 0
    assert target.roll_back("p2", progress=print).succeeded
    assert docker.page() == "p1"


def test_going_back_from_what_left_nothing_lets_the_stopped_version_serve_again(docker: Engine) -> None:
    target = docker.target()
    target.roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    assert target.roll_back("p2", progress=print).reason == "nothing of promotion p2 runs"
    (serving,) = target.observe().serving
    docker.docker("stop", "--time", "0", serving.name)
    assert target.observe().serving == ()
    assert target.roll_back("p2", progress=print).succeeded
    assert docker.page() == "p1"


@pytest.mark.parametrize("method", ["create_container_from_config", "stop", "start"])
def test_a_killed_recreation_can_be_finished_or_taken_back(docker: Engine, method: str) -> None:
    docker.target().roll_out(order("p1", docker.image), progress=print, cancel=Cancellation())
    die_in_rollout(docker, method, strategy="recreate")
    assert docker.target().roll_back("p2", progress=print).succeeded
    assert docker.page() == "p1"
    die_in_rollout(docker, method, strategy="recreate")
    docker.target().roll_out(order("p2", docker.image, strategy=RECREATE), progress=print, cancel=Cancellation())
    assert docker.page() == "p2"
