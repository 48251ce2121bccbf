"""A stage whose runner was killed: found again, heard from its first byte, and ended as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest
from contracts.ground import Ground, Printed, of_run

from pipeline.errors import HostRestartedError
from pipeline.model.container import UNFED, ContainerSpec, View
from pipeline.model.definition import ServiceDefinition
from pipeline.model.identity import LABEL_STAGE, RunIdentity
from pipeline.ports.cancellation import Cancellation

ROOT = Path(__file__).resolve().parents[2]
RUNNER = """
import sys
from pathlib import Path
from pipeline.executors.docker.executor import DockerExecutor
from pipeline.model.container import ContainerSpec, View
from pipeline.model.definition import ServiceDefinition
from pipeline.model.identity import RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.settings import Settings

class Out:
    def write(self, stream, chunk):
        sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
    def starting(self): pass
    def replaying(self): pass
    def replayed(self, stream, lines, moment): self.write(stream, lines)
    def note(self, line): pass
    def service(self, name): return Silent()

class Silent(Out):
    def write(self, stream, chunk): pass

home, host, workspace, run, image, script, service = sys.argv[1:]
settings = Settings(home=Path(home), docker_host=host, workspace=workspace)
session = DockerExecutor(settings).open(RunIdentity(installation=settings.installation, run=run), lanes=2)
session.execute(ContainerSpec(stage="before", attempt=1, step="main", image=image, entrypoint=(), command=("true",),
                              view=View(layer="before")), output=Out(), cancel=Cancellation())
spec = ContainerSpec(stage="stage", attempt=1, step="main", image=image, entrypoint=(), command=("sh", "-c", script),
                     view=View(layer="stage", below=("before",)), services=(
                         ServiceDefinition(name="db", image=image, command=("sh", "-c", service)),) if service else ())
session.execute(spec, output=Out(), cancel=Cancellation())
"""
"""A runner of its own, to be killed."""


@pytest.fixture
def killed_runner(docker_ground: Ground) -> Iterator[Callable[..., RunIdentity]]:
    """Starts a runner of its own with this script as second stage, kills it with -9 at its first output."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(script: str, service: str = "") -> RunIdentity:
        identity, settings = docker_ground.identity(), docker_ground.settings
        arguments = [str(settings.home), settings.docker_host, settings.workspace, identity.run, docker_ground.image]
        process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, *arguments, script, service],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"line 1\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
        return identity

    yield run
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


SPEAKS_ON = "echo line 1; echo x > made; sleep 1; echo line 2; printf 'line 3 without end'; exit 6"


def _same(ground: Ground, script: str) -> ContainerSpec:
    return ground.shell(script, view=View(layer="stage", below=("before",)))


def test_a_running_stage_is_attached_to_and_heard_from_its_beginning(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity], client: docker.APIClient
) -> None:
    run = killed_runner(SPEAKS_ON)
    before = of_run(client, run, stage="stage")
    session = docker_ground.open(run)
    ended, printed = docker_ground.run(session, _same(docker_ground, SPEAKS_ON))
    assert (ended.code, printed.out) == (6, b"line 1\nline 2\nline 3 without end")
    assert [item["State"] for item in before] == ["running"]
    view = View(layer="stage", below=("before",))
    assert [item.path for item in session.workspace.read(view, ["*"])] == ["made"]
    following = docker_ground.shell(
        "cat made; exit 9", stage="after", view=View(layer="after", below=("stage", "before"))
    )
    assert docker_ground.run(session, following)[0].code == 9
    session.close()
    assert docker_ground.executor.leftovers(docker_ground.settings.installation) == ()


def test_the_result_of_a_stage_that_ended_meanwhile_is_taken(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity], client: docker.APIClient
) -> None:
    run = killed_runner(SPEAKS_ON)
    for item in of_run(client, run, stage="stage"):
        client.wait(item["Id"])
    ended, printed = docker_ground.run(docker_ground.open(run), _same(docker_ground, SPEAKS_ON))
    assert (ended.code, printed.out) == (6, b"line 1\nline 2\nline 3 without end")
    assert printed.notes == ["found ended, result taken"]


def test_a_stage_of_another_specification_is_replaced(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity]
) -> None:
    run = killed_runner("echo line 1; exec sleep 600")
    ended, printed = docker_ground.run(docker_ground.open(run), _same(docker_ground, "echo other; exit 8"))
    assert (ended.code, printed.out, printed.notes) == (8, b"other\n", [])


def test_a_found_stage_can_be_cancelled(docker_ground: Ground, killed_runner: Callable[..., RunIdentity]) -> None:
    script = "trap 'echo tidied; exit 5' TERM; echo line 1; while :; do sleep 0.05; done"
    session = docker_ground.open(killed_runner(script))
    printed, cancel = Printed(), Cancellation()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.execute, _same(docker_ground, script), output=printed, cancel=cancel)
        printed.await_text(b"line 1")
        cancel.cancel("a person")
        ended = running.result()
    assert (ended.code, ended.cancelled, printed.out) == (5, True, b"line 1\ntidied\n")


def test_an_exit_from_before_a_restart_of_the_host_is_not_believed(
    docker_ground: Ground, client: docker.APIClient
) -> None:
    run = docker_ground.identity()
    spec = docker_ground.shell("exit 0")
    name = run.name(spec.stage, str(spec.attempt), spec.step)
    labels = {
        **run.labels("stage"),
        LABEL_STAGE: spec.stage,
        "io.ecluse.spec": spec.digest,
        "io.ecluse.boot": "earlier",
    }
    made = client.create_container(docker_ground.image, ["true"], name=name, labels=labels)["Id"]
    client.start(made)
    client.wait(made)
    session = docker_ground.open(run)
    with pytest.raises(HostRestartedError, match="host restarted"):
        docker_ground.run(session, spec)
    assert docker_ground.run(session, spec)[0].code == 0


def test_what_a_killed_runner_left_is_found_and_removed(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity]
) -> None:
    run = killed_runner("echo line 1; exec sleep 600")
    found = docker_ground.executor.leftovers(docker_ground.settings.installation)
    assert {item.kind for item in found} == {"container", "network", "volume"}
    assert {item.run for item in found} == {run.run}
    docker_ground.executor.remove(found)
    assert docker_ground.executor.leftovers(docker_ground.settings.installation) == ()


def test_what_was_printed_before_comes_with_its_times(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity], client: docker.APIClient
) -> None:
    script = "echo line 1; sleep 0.5; echo error >&2; sleep 0.5; echo line 2; printf 'line 3 without end'"
    began = datetime.now(UTC)
    run = killed_runner(script)
    for item in of_run(client, run, stage="stage"):
        client.wait(item["Id"])
    ended = datetime.now(UTC)
    _, printed = docker_ground.run(docker_ground.open(run), _same(docker_ground, script))
    assert (printed.out, printed.err, printed.replays) == (b"line 1\nline 2\nline 3 without end", b"error\n", 1)
    moments = [moment for moment, _ in printed.moments]
    assert [lines for _, lines in printed.moments] == [b"line 1\n", b"error\n", b"line 2\n", b"line 3 without end"]
    assert began - timedelta(milliseconds=1) <= moments[0] < moments[-1] <= ended
    assert moments[2] - moments[0] >= timedelta(seconds=0.5), "told again at once, they would have one time"
    assert moments == sorted(moments)


def test_nothing_is_lost_or_doubled_where_listening_takes_over(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity]
) -> None:
    loop = "i=0; while [ $i -lt 30000 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done"
    script = f"echo line 1; sleep 0.2; {loop}; printf end"
    session = docker_ground.open(killed_runner(script))
    ended, printed = docker_ground.run(session, _same(docker_ground, script))
    assert ended.code == 0
    assert printed.out == b"line 1\n" + b"".join(b"out %d\n" % number for number in range(30000)) + b"end"
    assert printed.err == b"".join(b"err %d\n" % number for number in range(30000))


def test_long_lines_and_binary_output_are_told_again(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity], client: docker.APIClient
) -> None:
    script = "echo line 1; head -c 100000 /dev/zero | tr '\\0' x; echo; printf '\\377\\000\\r\\n'; exit 3"
    run = killed_runner(script)
    for item in of_run(client, run, stage="stage"):
        client.wait(item["Id"])
    ended, printed = docker_ground.run(docker_ground.open(run), _same(docker_ground, script))
    assert ended.code == 3
    assert printed.out.replace(b"\xef\xbf\xbd", b"\xff") == b"line 1\n" + b"x" * 100_000 + b"\n\xff\x00\r\n"
    assert all(lines.endswith(b"\n") for _, lines in printed.moments)


def test_services_of_a_found_stage_are_heard_again_and_end_with_it(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity], client: docker.APIClient
) -> None:
    service = "echo up; mkdir /w; echo moin > /w/index.html; exec httpd -f -p 8080 -h /w"
    script = "echo line 1; sleep 2; wget -q -O - http://db:8080/"
    run = killed_runner(script, service)
    before = {item["Id"] for item in of_run(client, run, role="service")}
    session = docker_ground.open(run)
    spec = _with_service(docker_ground, script, service)
    ended, printed = docker_ground.run(session, spec)
    assert (ended.code, printed.out) == (0, b"line 1\nmoin\n")
    assert (printed.services["db"].out, printed.services["db"].replays) == (b"up\n", 1)
    assert {item["Id"] for item in of_run(client, run, role="service")} == before
    session.release("stage")
    session.close()
    assert docker_ground.executor.leftovers(docker_ground.settings.installation) == ()


def test_services_without_their_stage_are_replaced(
    docker_ground: Ground, killed_runner: Callable[..., RunIdentity], client: docker.APIClient
) -> None:
    service = "echo up; mkdir /w; echo moin > /w/index.html; exec httpd -f -p 8080 -h /w"
    script = "echo line 1; sleep 1; wget -q -O - http://db:8080/"
    run = killed_runner(script, service)
    before = {item["Id"] for item in of_run(client, run, role="service")}
    for item in of_run(client, run, stage="stage", role="stage"):
        client.remove_container(item["Id"], force=True)
    ended, printed = docker_ground.run(docker_ground.open(run), _with_service(docker_ground, script, service))
    assert (ended.code, printed.out) == (0, b"line 1\nmoin\n")
    assert printed.services["db"].replays == 0
    assert before.isdisjoint(item["Id"] for item in of_run(client, run, role="service"))


def test_a_container_that_was_only_created_runs(docker_ground: Ground, client: docker.APIClient) -> None:
    run = docker_ground.identity()
    spec = docker_ground.shell("echo ran; exit 3")
    first = docker_ground.open(run)
    first.prepare(spec)
    docker_ground.run(first, docker_ground.shell("true", stage="other"))
    ended, printed = docker_ground.run(docker_ground.open(run), spec)
    assert (ended.code, printed.out, printed.replays) == (3, b"ran\n", 0)


@pytest.mark.parametrize(
    ("script", "runs"),
    [
        pytest.param(f"exit {UNFED}", 0, id="said-nothing"),
        pytest.param(f"echo done; exit {UNFED}", 1, id="said-something"),
    ],
)
def test_a_script_that_was_never_fed_has_not_run(
    docker_ground: Ground, client: docker.APIClient, script: str, runs: int
) -> None:
    run, spec = docker_ground.identity(), docker_ground.shell(script)
    first = docker_ground.open(run)
    docker_ground.run(first, spec)
    name = run.name(spec.stage, str(spec.attempt), spec.step)
    before = client.inspect_container(name)["Id"]
    ended, printed = docker_ground.run(docker_ground.open(run), spec)
    assert (ended.code, printed.notes) == (UNFED, ["found ended, result taken"] * runs)
    assert (client.inspect_container(name)["Id"] == before) is bool(runs)


def test_an_ended_container_stays_until_its_result_is_recorded(docker_ground: Ground) -> None:
    run, spec = docker_ground.identity(), docker_ground.shell("cat /proc/sys/kernel/random/uuid; exit 3")
    _, printed = docker_ground.run(docker_ground.open(run), spec)
    ended, again = docker_ground.run(docker_ground.open(run), spec)
    assert (ended.code, again.out) == (3, printed.out)
    third = docker_ground.open(run)
    docker_ground.run(third, spec)
    third.release(spec.stage)
    third.close()
    _, anew = docker_ground.run(docker_ground.open(run), spec)
    assert anew.out != printed.out


def _with_service(ground: Ground, script: str, command: str) -> ContainerSpec:
    service = ServiceDefinition(name="db", image=ground.image, command=("sh", "-c", command))
    return ground.shell(script, view=View(layer="stage", below=("before",)), services=(service,))
