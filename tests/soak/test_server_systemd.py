"""The units under a real systemd, the first process of a container: start, reload, watchdog, and an end that drains."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from environment.places import CHECKOUT
from environment.serving import awaited

DOCKERFILE = """
FROM {base}
USER root
RUN apt-get update && apt-get install --yes --no-install-recommends systemd systemd-sysv dbus curl openssl
RUN groupadd docker
COPY *.service /etc/systemd/system/
COPY environment /etc/ecluse/environment
COPY drop-in.conf /etc/systemd/system/ecluse.service.d/test.conf
VOLUME /var/lib/ecluse
STOPSIGNAL SIGRTMIN+3
HEALTHCHECK NONE
ENTRYPOINT ["/lib/systemd/systemd"]
CMD []
"""
ENVIRONMENT = "ECLUSE_EXECUTOR=process\nECLUSE_LISTEN=127.0.0.1:8380\nECLUSE_DRAIN=300\n"
DROP_IN = "[Service]\nWatchdogSec=20\nTimeoutStopSec=5\n"
"""A stop would take no longer than 5 s if the server did not ask for more."""
RIGHTS = ("--cgroupns=private", "--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined")
PIPELINE = """
version: 1
name: shop
triggers: {push: {}}
stages: {one: {image: busybox, source: false, commands: ["echo begun; sleep PAUSE; echo ended"]}}
"""
PUSH = """
set -e
cd
test -d shop || { git init -q --bare -b main shop.git; git clone -q shop.git shop 2>/dev/null; }
ecluse repository show anna/shop >/dev/null 2>&1 || ecluse repository add anna/shop --url "$PWD/shop.git" >/dev/null
ecluse hook install shop.git --name anna/shop >/dev/null
cd shop
cat >pipeline.yml
git add .
git -c user.name=A -c user.email=a@example.org commit -q -m change
git push -q origin HEAD:main
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A container in which systemd is the first process."""

    name: str

    def say(self, *words: str, user: str = "root", text: str = "", check: bool = True) -> str:
        """What a command in it says."""
        done = subprocess.run(
            ["docker", "exec", "-i", "--user", user, self.name, *words],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}\n{self.journal()}"
        return done.stdout.strip()

    def journal(self) -> str:
        """Of the server."""
        return self.say("journalctl", "-u", "ecluse", "--no-pager", "-n", "60", check=False)

    def property(self, name: str) -> str:
        """Of the server's unit."""
        return self.say("systemctl", "show", "--value", "-p", name, "ecluse")

    def push(self, pause: int) -> None:
        """A commit whose run takes so many seconds."""
        self.say("sh", "-c", PUSH, user="ecluse", text=PIPELINE.replace("PAUSE", str(pause)))

    def runs(self) -> list[dict[str, Any]]:
        """Newest first."""
        found: list[dict[str, Any]] = json.loads(self.say("ecluse", "runs", "--json", user="ecluse"))
        return found


@pytest.fixture
def machine(server_image: str, tmp_path: Path, engine: str) -> Iterator[Machine]:
    for unit in (CHECKOUT / "examples/server").glob("*.service"):
        (tmp_path / unit.name).write_text(unit.read_text())
    (tmp_path / "environment").write_text(ENVIRONMENT)
    (tmp_path / "drop-in.conf").write_text(DROP_IN)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.format(base=server_image))
    name = f"ecluse-systemd-test-{secrets.token_hex(4)}"
    environment = {**os.environ, "DOCKER_HOST": engine}

    def docker(*words: str, check: bool = True) -> None:
        done = subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    docker("build", "--quiet", "--tag", name, str(tmp_path))
    try:
        folders = ("--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp")
        docker("run", "--detach", "--name", name, "--env", "container=docker", *RIGHTS, *folders, name)
        made = Machine(name=name)
        awaited(lambda: made.say("systemctl", "is-system-running", check=False) in ("running", "degraded"), patience=60)
        yield made
    finally:
        docker("rm", "--force", "--volumes", name, check=False)
        docker("image", "rm", "--force", name, check=False)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_it_lives_under_systemd(machine: Machine) -> None:
    machine.say("systemctl", "start", "ecluse")
    assert machine.property("ActiveState") == "active", "the start ended when the server was ready"
    assert "listening on http://127.0.0.1:8380" in machine.property("StatusText")
    first = machine.property("MainPID")

    machine.push(0)
    awaited(lambda: [run["state"] for run in machine.runs()] == ["done"], machine.journal, patience=90)
    assert machine.runs()[0]["conclusion"] == "succeeded", machine.journal()

    machine.say("systemctl", "reload", "ecluse")
    awaited(lambda: machine.journal().count("listening on") == 2, machine.journal, patience=60)
    assert (machine.property("MainPID"), machine.property("NRestarts")) == (first, "0")
    awaited(lambda: machine.property("ActiveState") == "active", machine.journal, patience=60)

    machine.push(20)
    awaited(lambda: machine.runs()[0]["state"] == "running", machine.journal, patience=90)
    machine.say("systemctl", "stop", "ecluse")
    assert machine.property("Result") == "success", "it asked for the time that its run took"
    assert machine.runs()[0]["conclusion"] == "succeeded", machine.journal()

    machine.say("systemctl", "start", "ecluse")
    hung = machine.property("MainPID")
    machine.say("kill", "-STOP", hung)
    awaited(lambda: machine.property("NRestarts") == "1", machine.journal, patience=120)
    awaited(lambda: machine.property("ActiveState") == "active", machine.journal, patience=60)
    assert machine.property("MainPID") != hung
    machine.say("systemctl", "stop", "ecluse")
