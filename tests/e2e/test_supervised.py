"""Server and worker under a supervisor that speaks sd_notify, and the units of systemd that we give away."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
from environment.command import Command
from environment.places import CHECKOUT
from environment.repository import Repository
from environment.servers import program
from environment.serving import Ground, ground

from pipeline.model.status import StageState
from pipeline.model.work import WorkState
from pipeline.operations.serving.asking import ask_run

UNITS = ("ecluse.service", "ecluse-worker.service")
SLOW = """
version: 1
name: shop
defaults: {image: busybox}
stages:
  one: {source: false, commands: ["echo begun; sleep 3; echo ended"]}
"""


class Supervisor:
    """The other end of the socket; it always hears, as systemd does."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self._heard: SimpleQueue[list[str]] = SimpleQueue()
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def next(self, wanted: str) -> list[str]:
        """The lines of the next word that has this one."""
        while True:
            try:
                lines = self._heard.get(timeout=120)
            except Empty:
                pytest.fail(f"nobody said {wanted}")
            if any(line.startswith(wanted) for line in lines):
                return lines

    def close(self) -> None:
        """No more."""
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def _hear(self) -> None:
        while word := self._socket.recv(8192):
            self._heard.put(word.decode().splitlines())


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path) -> Iterator[Ground]:
    with ground(ecluse, tmp_path) as made:
        yield made


@pytest.fixture(params=["a file", "abstract"])
def supervisor(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Supervisor]:
    name = f"notify-{os.getpid()}-{os.urandom(3).hex()}"
    made = Supervisor(str(short_folder / name) if request.param == "a file" else f"@ecluse-{name}")
    yield made
    made.close()


def test_it_is_told_what_a_server_does(
    serving: Ground, git_repo: Callable[..., Repository], supervisor: Supervisor
) -> None:
    serving.look_after(git_repo({"pipeline.yml": SLOW}))
    server = serving.serve(NOTIFY_SOCKET=supervisor.address, WATCHDOG_USEC="400000", ECLUSE_DRAIN="60")
    ready = supervisor.next("READY=1")
    assert ready[1] == f"STATUS=listening on {server.url}"
    supervisor.next("WATCHDOG=1")
    supervisor.next("WATCHDOG=1")

    item = ask_run(serving.app, "anna/shop", ref="", variables={}, by="anna").id
    serving.run(item, lambda run: run.stage("one").state is StageState.RUNNING)
    children = Path(f"/proc/{server.popen.pid}/task/{server.popen.pid}/children").read_text().split()
    threads = Path(f"/proc/{server.popen.pid}/task").iterdir()
    children += [child for task in threads for child in (task / "children").read_text().split()]
    assert children, "the run's own process"
    for child in children:
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{child}/environ").read_bytes(), "nobody else speaks for it"

    server.popen.send_signal(signal.SIGHUP)
    reloading = supervisor.next("RELOADING=1")
    assert reloading[1].startswith("MONOTONIC_USEC=")
    assert reloading[2] == "WATCHDOG_USEC=900000000", "a start takes longer than two signs of life lie apart"
    assert supervisor.next("READY=1")[2] == "WATCHDOG_USEC=400000"
    assert server.popen.poll() is None, "the same process"
    assert serving.item(item).detail == "succeeded", "what ran goes on"

    server.popen.send_signal(signal.SIGTERM)
    ending = supervisor.next("STOPPING=1")
    assert ending[2] == "EXTEND_TIMEOUT_USEC=120000000"
    assert server.popen.wait(90) == 0


def test_it_is_told_what_a_worker_does(
    serving: Ground, git_repo: Callable[..., Repository], short_folder: Path
) -> None:
    supervisor = Supervisor(f"@ecluse-worker-{os.getpid()}-{os.urandom(3).hex()}")
    serving.look_after(git_repo({"pipeline.yml": SLOW}))
    worker = serving.worker(NOTIFY_SOCKET=supervisor.address, WATCHDOG_USEC="400000", ECLUSE_DRAIN="60")
    assert supervisor.next("READY=1")[1] == "STATUS=works with 2 slots"
    supervisor.next("WATCHDOG=1")
    item = ask_run(serving.app, "anna/shop", ref="", variables={}, by="anna").id
    serving.item(item, WorkState.TAKEN)
    worker.popen.send_signal(signal.SIGTERM)
    supervisor.next("STOPPING=1")
    assert worker.popen.wait(90) == 0
    assert serving.item(item).detail == "succeeded", "what runs may end"
    supervisor.close()


@pytest.mark.parametrize("socket_path", ["", "nonsense", "/nowhere/at/all"])
def test_a_supervisor_that_cannot_be_reached_harms_nobody(serving: Ground, socket_path: str) -> None:
    server = serving.serve(NOTIFY_SOCKET=socket_path, WATCHDOG_USEC="x")
    assert server.url
    assert server.stop() == 0


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: str, tmp_path: Path, ecluse: Command) -> None:
    text = (CHECKOUT / "examples/server" / unit).read_text()
    assert "/opt/ecluse/bin/ecluse" in text
    here = tmp_path / unit
    here.write_text(text.replace("/opt/ecluse/bin/ecluse", str(ecluse.program)))
    analyze = program("systemd-analyze", "systemd")
    verified = subprocess.run([analyze, "verify", "--man=no", str(here)], capture_output=True, text=True)
    ours = [line for line in verified.stderr.splitlines() if unit in line]
    assert (verified.returncode, ours) == (0, [])
    secure = subprocess.run([analyze, "security", "--offline=true", str(here)], capture_output=True, text=True)
    found = re.search(r"exposure level for \S+: ([\d.]+)", secure.stdout)
    assert found, secure.stdout + secure.stderr
    assert float(found[1]) < 2.5, "little is open"
