"""A server under load of signed events, whose processes are killed at random instants by somebody who keeps count."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from pipeline.errors import NotFoundError
from pipeline.model.run import Run
from pipeline.model.status import RunState
from pipeline.model.work import WorkItem, WorkState
from pipeline.ports.records import RunFilter

from .repository import Repository
from .servers import free_port
from .serving import Ground, Process, awaited

SECRET = b"tide-table-7319"
PIPELINE = """
version: 1
name: shop
triggers: {push: {branches: ["topic/*"]}}
defaults: {image: busybox}
stages:
  one: {source: false, commands: ["sleep 0.4", "echo one > one"]}
  two: {needs: [one], commands: ["test -e one", "sleep 0.2"]}
"""
_BACKLOG = 6
"""So many runs may be open before another event is sent."""


@dataclass(kw_only=True)
class Siege:
    """`serve` and a `worker` that are started again whenever they were killed, as a service manager does."""

    ground: Ground
    repository: Repository
    drawn: random.Random
    accepted: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    port: int = field(default_factory=free_port)
    server: Process | None = None
    worker: Process | None = None

    def begin(self) -> None:
        """Make the repository known, and start both."""
        self.ground.look_after(self.repository)
        self.ground.app.vault.put("hook:anna/shop", "secret", SECRET, by="the test")
        self.keep_up()
        assert self.server is not None
        assert self.server.url

    def keep_up(self) -> None:
        """Start what is down."""
        if self.server is None or self.server.popen.poll() is not None:
            self.server = self.ground.start("serve", "--listen", f"127.0.0.1:{self.port}")
        if self.worker is None or self.worker.popen.poll() is not None:
            self.worker = self.ground.worker()

    def go_on(self, seconds: float, *, events: int) -> None:
        """Send events, and kill something every second or so, for that long; then let it be."""
        end = time.monotonic() + seconds
        number, next_kill = 0, time.monotonic() + 2
        while time.monotonic() < end:
            if number < events and len(self.ground.app.queue.items()) < _BACKLOG:
                number += 1
                self._send(number)
            if time.monotonic() >= next_kill:
                self._kill()
                next_kill = time.monotonic() + self.drawn.uniform(0.2, 2.0)
            self.keep_up()
            time.sleep(0.05)

    def settled(self) -> list[tuple[WorkItem, Run]]:
        """Wait until all that was accepted has ended; every item with its run."""

        def look() -> list[WorkItem] | None:
            self.keep_up()
            undecided = self.ground.app.intake.undecided()
            return None if undecided or self.ground.app.queue.items() else self._done()

        items = awaited(look, self._told, patience=300)
        return [(item, self.ground.app.records.find_run(item.id)) for item in items]

    def runs(self) -> int:
        """How many the records know."""
        return len(self.ground.app.records.runs(RunFilter(limit=100_000)))

    def _done(self) -> list[WorkItem]:
        return list(self.ground.app.queue.items(states=[WorkState.DONE], limit=100_000))

    def _told(self) -> str:
        lines = [f"{item.id} {item.state} {item.worker} {item.detail}" for item in self.ground.app.queue.items()]
        for item in self.ground.app.queue.items():
            with suppress(NotFoundError):
                run = self.ground.app.records.find_run(item.id)
                lines.append(f"{run.id} {run.state} {run.runner} {[(one.name, one.state) for one in run.stages]}")
        return "\n".join([*lines, *(process.said[-2000:] for process in self.ground.started[-4:])])

    def _send(self, number: int) -> None:
        """A forge's event, sent again until it was accepted."""
        branch, delivery = f"topic/{number}", uuid4().hex
        head = self.repository.git("rev-parse", "HEAD")
        self.repository.git("update-ref", f"refs/heads/{branch}", head)
        body = json.dumps(
            {"actor": "anna", "changes": [{"ref": f"refs/heads/{branch}", "before": "0" * 40, "after": head}]}
        ).encode()

        def post() -> bool | None:
            self.keep_up()
            stamp = str(int(time.time()))
            signed = hmac.new(SECRET, f"{stamp}.{delivery}.".encode() + body, hashlib.sha256).hexdigest()
            headers = {
                "X-Ecluse-Event": "push",
                "X-Ecluse-Delivery": delivery,
                "X-Ecluse-Timestamp": stamp,
                "X-Ecluse-Signature-256": f"sha256={signed}",
                "Content-Type": "application/json",
            }
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                connection.request("POST", "/hooks/anna/shop", body, headers)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                return None
            finally:
                connection.close()
            assert answer.status in (200, 202), text
            return True

        awaited(post)
        self.accepted.append(delivery)

    def _kill(self) -> None:
        """One of: the server, the worker, a process that makes a run."""
        what = self.drawn.choice(["server", "worker", "run", "run"])
        if what == "run":
            children = _making(self.ground.command.home)
            if not children:
                return
            with suppress(ProcessLookupError):
                os.kill(self.drawn.choice(children), signal.SIGKILL)
        else:
            process = self.server if what == "server" else self.worker
            assert process is not None
            process.kill()
        self.kills[what] += 1


def _making(home: Path) -> list[int]:
    """Processes that make runs of this very installation; not what they are about to start, such as a git that is
    forked and has not become one yet."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            if b"\0make-run\0" in (entry / "cmdline").read_bytes():
                mine = f"\0ECLUSE_HOME={home}\0".encode()
                leads = os.getsid(int(entry.name)) == int(entry.name)
                if leads and mine in b"\0" + (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return sorted(found)


def as_promised(siege: Siege) -> None:
    """Every accepted event has led to exactly one run, and every run has ended."""
    ended = siege.settled()
    deliveries = {item.key: item for item in siege.ground.app.intake.deliveries(limit=100_000)}
    assert set(siege.accepted) == set(deliveries)
    assert Counter(item.key for item, _ in ended) == Counter(f"hook:{item.id}" for item in deliveries.values())
    assert siege.runs() == len(siege.accepted)
    for item, run in ended:
        assert run.state is RunState.DONE, item
        assert run.conclusion is not None, item
        assert item.detail == run.conclusion.value or "its process was killed" in item.detail, item
        assert all(stage.conclusion is not None for stage in run.stages), item
