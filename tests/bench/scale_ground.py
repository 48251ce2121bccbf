"""The installation of the simulated day: a database, repositories with commits, a server and its workers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from environment.command import HOST_MARKS
from environment.postgres import Postgres, postgres

SECRET = b"the secret of this measurement"
HERE = Path(__file__).parent
ROLES = ("server", "worker", "run")
"""Kinds of processes; in PostgreSQL each is somebody of its own, so that its statements can be told from others'."""
_PIPELINE = """\
version: 1
name: shop
triggers: {push: {branches: ["**"]}}
defaults: {image: "busybox:1.36"}
stages:
  unit:
    commands: ["run the tests"]
    reports: {junit: report.xml}
"""
_BUILD = """\
  build:
    commands: ["build it"]
    artifacts: {name: app, paths: app.bin}
"""
_LATER = """\
  step_%d:
    needs: [%s]
    commands: ["go on"]
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is asked for."""

    repositories: int
    runs: int
    stages: int
    workers: int
    slots: int
    database: str
    day: float
    """Seconds that stand for a day."""
    seconds: float
    """Of a stage."""
    lines: int
    """Printed by a stage."""
    visitors: int


@dataclass(kw_only=True)
class Installation:
    """All of it while it runs."""

    size: Size
    folder: Path
    database: Mapping[str, str]
    """Its address, by role."""
    postgres: Postgres | None
    app: Any
    """An application of the same database that looks at what came of it."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    url: str = ""

    @property
    def home(self) -> Path:
        """ECLUSE_HOME of all of them: they are on one machine."""
        return self.folder / "home"

    def name(self, repository: int) -> str:
        """Of a repository."""
        return f"team{repository % 20}/service{repository}"

    def path(self, repository: int) -> Path:
        """Where its bare repository is."""
        return self.folder / "forge" / f"{repository}.git"

    def log(self, process: str) -> Path:
        """What a process wrote to standard output."""
        return self.folder / f"{process}.out"

    def start(self) -> None:
        """The server and the workers; returns when they work."""
        door = ("-c", "from pipeline.cli.door import main; main()")
        self._start("server", [*door, "serve", "--listen", "127.0.0.1:0", "--no-worker"], "server")
        for number in range(self.size.workers):
            self._start(f"worker {number + 1}", [str(HERE / "scale_worker.py")], "worker")
        self.url = self._awaited("server", r"listening on (http://\S+)")
        for number in range(self.size.workers):
            self._awaited(f"worker {number + 1}", r"(works)")

    def check(self) -> None:
        """End with an error where a process has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise SystemExit(f"{name} ended with {process.returncode}\n{self._said(name)[-3000:]}")

    def stop(self) -> None:
        """End all processes, with what they had under way."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)  # the second one ends at once
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def told(self, worker: int) -> list[dict[str, Any]]:
        """What a worker wrote, line by line."""
        return [json.loads(line) for line in self.log(f"worker {worker + 1}").read_text().splitlines()]

    def _start(self, name: str, words: Sequence[str], role: str) -> None:
        with self.log(name).open("wb") as out:
            self.processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", "--", sys.executable, *words],
                cwd=self.folder,
                env=variables(self.home, self.database[role], self.database["run"], self.size),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _said(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")

    def _awaited(self, name: str, pattern: str) -> str:
        until = time.monotonic() + 60
        while True:
            found = re.search(pattern, self._said(name))
            if found is not None:
                return found[1]
            self.check()
            if time.monotonic() > until:
                raise SystemExit(f"{name} did not start\n{self._said(name)[-3000:]}")
            time.sleep(0.05)


def variables(home: Path, database: str, for_runs: str, size: Size) -> dict[str, str]:
    """What a process sees: our environment without the user's own settings."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ECLUSE_") and name not in HOST_MARKS and name != "PYTHONPATH"
    }
    return {
        **inherited,
        "ECLUSE_HOME": str(home),
        "ECLUSE_DATABASE": database,
        "ECLUSE_EXECUTOR": "scripted",
        "ECLUSE_SLOTS": str(size.slots),
        "ECLUSE_DRAIN": "0",
        "SCALE_RUN_DATABASE": for_runs,
        "SCALE_STAGE_SECONDS": str(size.seconds),
        "SCALE_STAGE_LINES": str(size.lines),
    }


@contextmanager
def installation(size: Size) -> Iterator[Installation]:
    """A fresh one, without processes yet; nothing of it stays."""
    from pipeline.bootstrap import Application

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecluse-scale-")))
        server: Postgres | None = None
        if size.database == "postgresql":
            settings = {
                "fsync": "on",
                "shared_preload_libraries": "pg_stat_statements",
                "pg_stat_statements.max": "10000",
                "max_connections": str(max(100, 50 + 6 * size.workers * size.slots)),
            }
            server = stack.enter_context(postgres(**settings))
            database = _roles(server)
        else:
            database = dict.fromkeys(("ours", *ROLES), f"sqlite:///{folder / 'home/records.db'}")
        app = Application(variables(folder / "home", database["ours"], "", size))
        made = Installation(size=size, folder=folder, database=database, postgres=server, app=app)
        stack.callback(app.records.close)
        stack.callback(made.stop)
        yield made


def _roles(server: Postgres) -> dict[str, str]:
    """A database with somebody for each kind of process; all of them may do everything in it."""
    import psycopg
    from psycopg import sql

    ours = server.url(server.fresh())
    found = {"ours": ours}
    with psycopg.connect(ours, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        for role in ROLES:
            order = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}")
            connection.execute(order.format(sql.Identifier(role), sql.Literal(server.password)))
            found[role] = ours.replace("//ecluse:", f"//{role}:")
    return found


def fill(made: Installation, events: Sequence[int]) -> list[str]:
    """Repositories, known to the server; the commits of all events, which no branch has yet."""
    from pipeline.model.repository import ForgeKind, Repository

    size = made.size
    commits = [""] * len(events)
    for number in range(size.repositories):
        path = made.path(number)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        mine = [index for index, repository in enumerate(events) if repository == number]
        for index, sha in zip(mine, _imported(path, pipeline(size.stages), mine), strict=True):
            commits[index] = sha
        name = made.name(number)
        made.app.intake.save_repository(
            Repository(name=name, url=str(path), forge=ForgeKind.GITHUB, created=datetime.now(UTC))
        )
        made.app.vault.put(f"hook:{name}", "secret", SECRET, by="bench")
    return commits


def pipeline(stages: int) -> str:
    """A pipeline file: tests and a build beside each other, then one after the other."""
    text = _PIPELINE + (_BUILD if stages > 1 else "")
    needs = "unit, build"
    for number in range(3, stages + 1):
        text += _LATER % (number, needs)
        needs = f"step_{number}"
    return text


def _imported(path: Path, file: str, events: Sequence[int]) -> list[str]:
    """A first commit on `main`, and one upon it for each event, whose files differ."""
    stream = [_commit("refs/heads/main", 1, "Start", {"pipeline.yml": file, "README": "tea\n"}, "")]
    for mark, event in enumerate(events, 2):
        files = {"water.txt": f"{event} degrees\n"}
        stream.append(_commit(f"refs/events/{event}", mark, f"Brew it {event} s longer", files, "from :1\n"))
    stream.append("done\n")
    marks = path / "marks"
    subprocess.run(
        ["git", "-C", str(path), "fast-import", "--quiet", "--done", f"--export-marks={marks}"],
        input="".join(stream).encode(),
        check=True,
    )
    known = dict(line.split() for line in marks.read_text().splitlines())
    return [known[f":{mark}"] for mark in range(2, len(events) + 2)]


def _commit(ref: str, mark: int, message: str, files: Mapping[str, str], origin: str) -> str:
    text = f"commit {ref}\nmark :{mark}\ncommitter Anna <anna@example.org> {1_780_000_000 + mark} +0000\n"
    text += f"data {len(message.encode())}\n{message}\n{origin}"
    for name, content in files.items():
        text += f"M 100644 inline {name}\ndata {len(content.encode())}\n{content}\n"
    return text + "\n"
