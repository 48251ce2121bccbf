"""How long the command takes where much has happened: `many_runs.py [RUNS]` fills a home of its own and measures."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.model.outcome import failed, succeeded
from pipeline.model.plan import Plan
from pipeline.model.report import CoverageReport, TestCase, TestReport, TestStatus
from pipeline.model.run import Artifact, Attempt, Products, Run, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.model.ulid import ulid
from pipeline.records import SqlRecords, run_records, sqlite_url
from pipeline.records.stage_records import insert_stages
from pipeline.storage.directory import DirectoryStorage

STAGES = ("checkout", "lint", "unit", "build")
LINES = 40
TESTS = 50
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(
    name="shop",
    pipeline_digest="sha256:1",
    event=Event(kind="push"),
    source=Source(path="p", origin="shop", commit=Commit(sha="4f1c0de", message="", author="", time=FIRST)),
    variables={},
    stages=(),
    environments=(),
)


def fill(home: Path, runs: int) -> None:
    """So many finished runs with logs, tests and artifacts."""
    drawn = random.Random(1)  # noqa: S311 - made-up logs
    storage = _Quick(home / "storage")
    records = SqlRecords(sqlite_url(home))
    records.outlines()
    database = records._database()
    for start in range(0, runs, 500):
        with database.writing() as connection:
            for index in range(start, min(start + 500, runs)):
                begun = FIRST + timedelta(minutes=30 * index)
                made = _run(begun, index)
                run_records.create_run(connection, made, PLAN)
                insert_stages(connection, made.id, 0, tuple(_stage(storage, drawn, begun, n, index) for n in STAGES))
    records.close()


class _Quick(DirectoryStorage):
    """Blobs in place, without waiting for the disk: what is measured is reading."""

    def put(self, content: object) -> tuple[str, int]:
        import hashlib

        text = content.read()  # type: ignore[attr-defined]
        digest = "sha256:" + hashlib.sha256(text).hexdigest()
        path = self._path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        return digest, len(text)


def _run(begun: datetime, index: int) -> Run:
    return Run(
        id=ulid(begun, os.urandom(10)),
        number=0,
        repository="shop",
        pipeline="shop",
        commit=f"{index // 2:040x}",
        message="Sell tea",
        author="Anna",
        branch="main" if index % 3 else "topic",
        tag="",
        event="push",
        actor="anna",
        dirty=False,
        plan_digest="",
        state=RunState.DONE,
        conclusion=Conclusion.FAILED if index % 10 == 0 else Conclusion.SUCCEEDED,
        created=begun,
        finished=begun + timedelta(minutes=2),
    )


def _stage(storage: DirectoryStorage, drawn: random.Random, begun: datetime, name: str, index: int) -> StageRun:
    stamp = begun.strftime("%Y-%m-%dT%H:%M:%S.000Z ")
    lines = [f"{stamp}INFO module.{drawn.randrange(99)}: handled request {drawn.random()}" for _ in range(LINES)]
    if index % 1000 == 7 and name == "unit":
        lines[20] = f"{stamp}ERROR connection reset by peer (run {index})"
    digest, _ = storage.put(io.BytesIO(("\n".join(lines) + "\n").encode()))
    wrong = name == "unit" and index % 10 == 0
    products = Products()
    if name == "unit":
        cases = tuple(
            TestCase(
                suite="s",
                classname=f"tests.test_{case % 7}",
                name=f"test_{case}",
                status=TestStatus.FAILED if wrong and case == index % 3 else TestStatus.PASSED,
                seconds=drawn.random(),
            )
            for case in range(TESTS)
        )
        wheel = Artifact(name="wheels", path="dist/a.whl", digest=digest, size=1, keep=86400.0)
        products = Products(
            tests=TestReport(cases=cases), coverage=CoverageReport(covered=80, total=100), artifacts=(wheel,)
        )
    outcome = failed("1 test failed") if wrong else succeeded()
    ended = begun + timedelta(seconds=30)
    attempt = Attempt(
        number=1, started=begun, finished=ended, outcome=outcome, log=digest, log_lines=LINES, products=products
    )
    return StageRun(
        name=name,
        kind="run",
        state=StageState.DONE,
        outcome=outcome,
        started=begun,
        finished=ended,
        attempts=(attempt,),
    )


COMMANDS = (
    ("runs", "--all"),
    ("runs", "--all", "--failed"),
    ("runs", "--all", "--branch", "topic"),
    ("show", "last"),
    ("logs", "--grep", "connection reset", "--runs", "10000", "--all"),
    ("logs", "--grep", "(?i)ERROR.*run [0-9]+", "--runs", "10000", "--all"),
    ("logs", "--grep", "no such words", "--runs", "10000", "--all"),
    ("logs", "--grep", "request", "--runs", "10000", "--all"),
    ("tests", "--all"),
    ("tests", "slowest", "--all"),
    ("tests", "flaky", "--all", "--runs", "1000"),
    ("gc", "--dry-run"),
    ("gc",),
)


def main() -> None:
    """One line a command: its seconds, its exit code, its lines."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    chosen = sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="ecluse-many-") as folder:
        home = Path(os.environ.get("MANY_RUNS_HOME") or folder) / "home"
        if not home.exists():
            home.mkdir(parents=True, mode=0o700)
            begun = time.perf_counter()
            fill(home, runs)
            print(f"{time.perf_counter() - begun:8.2f} s  to make {runs} runs", flush=True)
        program = str(Path(sys.executable).with_name("ecluse"))
        environment = {
            **os.environ,
            "ECLUSE_HOME": str(home),
            "ECLUSE_EXECUTOR": "process",
            "ECLUSE_KEEP_RUNS_DAYS": "100",
        }
        for words in COMMANDS:
            if chosen and words[0] not in chosen:
                continue
            begun = time.perf_counter()
            ended = subprocess.run([program, *words], env=environment, cwd=folder, capture_output=True, text=True)
            lines = ended.stdout.count("\n")
            seconds = time.perf_counter() - begun
            print(f"{seconds:8.2f} s  exit {ended.returncode}  {lines:6d} lines  ecluse {' '.join(words)}", flush=True)
            if ended.returncode:
                print(ended.stderr.strip()[-600:])


if __name__ == "__main__":
    main()
