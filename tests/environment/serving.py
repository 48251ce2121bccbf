"""A server and its workers as processes of the real command, and the application that looks at what they do."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pipeline.bootstrap import Application
from pipeline.errors import NotFoundError
from pipeline.model.repository import ForgeKind, Repository
from pipeline.model.run import Run
from pipeline.model.work import WorkItem, WorkState

from .command import Command
from .repository import Repository as GitRepository

T = TypeVar("T")
PATIENCE = 240.0
"""Seconds after which something that is awaited will never come."""


@dataclass(kw_only=True)
class Process:
    """`ecluse serve` or `ecluse worker` while it runs; `said` is what it wrote until now."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def url(self) -> str:
        """Where the server answers."""

        def look() -> re.Match[str] | None:
            said = re.search(r"listening on (http://\S+)", self.said)
            assert said or self.popen.poll() is None, f"it ended with {self.popen.returncode}: {self.said}"
            return said

        return awaited(look, lambda: self.said)[1]

    def kill(self) -> None:
        """As a power cut would, with all that it has started of its own session."""
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> int:
        """Drain, and wait for the end."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(PATIENCE)


@dataclass(kw_only=True)
class Ground:
    """One installation: its command, its database, its processes."""

    command: Command
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    started: list[Process] = field(default_factory=list)
    opened: Application | None = None

    @property
    def app(self) -> Application:
        """Looks into the same database."""
        if self.opened is None:
            self.opened = Application(self.command.environment(self.variables))
        return self.opened

    def start(self, *words: str, host: str = "", **variables: str) -> Process:
        """A process of the real command; with `host` on a machine that is called so."""
        named = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host) if host else ()
        log = self.folder / f"process-{len(self.started)}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [*named, str(self.command.program), *words],
                cwd=self.folder,
                env=self.command.environment({**self.variables, **variables}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        process = Process(popen=popen, log=log)
        self.started.append(process)
        return process

    def serve(self, *words: str, **variables: str) -> Process:
        """A server at any free port."""
        return self.start("serve", "--listen", "127.0.0.1:0", *words, **variables)

    def worker(self, *, host: str = "", **variables: str) -> Process:
        """A worker without a server; with `host` on a machine that is called so."""
        return self.start("worker", host=host, **variables)

    def look_after(
        self, repository: GitRepository, name: str = "anna/shop", forge: ForgeKind = ForgeKind.PLAIN, **more: object
    ) -> Repository:
        """Make the server know a repository."""
        made = Repository(
            name=name,
            url=str(repository.path),
            forge=forge,
            created=datetime.now(UTC),
            **more,  # type: ignore[arg-type]
        )
        self.app.intake.save_repository(made)
        return made

    def item(self, id_: str, *states: WorkState) -> WorkItem:
        """The item, once it is in one of these states (none: done)."""
        wanted = states or (WorkState.DONE,)

        def look() -> WorkItem | None:
            item = self.app.queue.find(id_)
            return item if item.state in wanted else None

        return awaited(look, lambda: f"{self.app.queue.find(id_)}\n" + "\n".join(item.said for item in self.started))

    def run(self, id_: str, holds: Callable[[Run], bool] = lambda _: True) -> Run:
        """The run, once the records know it and `holds` is true of it."""

        def look() -> Run | None:
            with suppress(NotFoundError):
                run = self.app.records.find_run(id_)
                return run if holds(run) else None
            return None

        return awaited(look, lambda: "\n".join(item.said for item in self.started))


@contextmanager
def ground(command: Command, folder: Path, **variables: str) -> Iterator[Ground]:
    """An installation whose stages run as processes of this machine; all that was started is ended."""
    quick = {"ECLUSE_EXECUTOR": "process", "ECLUSE_LEASE": "6", "ECLUSE_GRACE": "1"}
    made = Ground(command=command, folder=folder, variables={**quick, **variables})
    try:
        yield made
    finally:
        for process in made.started:
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGTERM)
        for process in made.started:
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(0.5)
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGTERM)  # the second one hands over at once
                process.popen.wait(PATIENCE)


def awaited(look: Callable[[], T | None], told: Callable[[], object] = lambda: "", *, patience: float = PATIENCE) -> T:
    """What `look` gives once it gives something."""
    until = time.monotonic() + patience
    while (found := look()) is None or found is False:
        assert time.monotonic() < until, told()
        time.sleep(0.05)
    return found
