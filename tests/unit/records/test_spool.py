"""What runs write without SQLAlchemy reads as if it had been written with it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.diagnostic import Position
from pipeline.errors import NotFoundError, RecordsError
from pipeline.model.definition import Need, RetryRule, StageDefinition, When
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.outcome import failed, succeeded
from pipeline.model.plan import Condition, Plan, PlannedStage
from pipeline.model.release import Measurement
from pipeline.model.report import CoverageReport, TestCase, TestReport, TestStatus
from pipeline.model.run import Artifact, Attempt, BuiltImage, Products, PushedImage, Run, Runner, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.ports.records import RunFilter
from pipeline.records import SqlRecords, sqlite_url

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
PLACE = Position(file="pipeline.yml", line=3, column=5, length=4)
PLAN = Plan(
    name="shop",
    pipeline_digest="sha256:" + "1" * 64,
    event=Event(kind="push", branch="main", changed=("src/a.py",)),
    source=Source(path="p", origin="o", commit=Commit(sha="4f1c0de", message="Sell\ntea", author="Anna", time=NOON)),
    variables={"IMAGE": "registry.example.org/shop"},
    stages=(
        PlannedStage(
            stage=StageDefinition(
                name="unit:3.12",
                kind="test",
                position=PLACE,
                group="unit",
                cell={"python": "3.12"},
                needs=(Need(stage="checkout"),),
                step_timeouts=(None, 2.0),
                retry=RetryRule(max=1),
                when=When(branch=("main",)),
                options={"depth": 3, "deep": [{"a": None}]},
            ),
            conditions=(Condition(key="branch", wanted="'main'", seen="'main'", holds=True),),
            reuse_inputs={"image": "x"},
        ),
    ),
    environments=(),
)
PRODUCTS = Products(
    artifacts=(Artifact(name="wheels", path="dist/b.whl", digest="sha256:b", size=5_000_000_000, keep=60.0),),
    tests=TestReport(
        cases=(
            TestCase(suite="s", classname="c", name="bad\udcff", status=TestStatus.FAILED, message="1 != 2\0", line=9),
        )
    ),
    coverage=CoverageReport(covered=7, total=9),
    findings=(Finding(check="c", tool="t", rule="CVE-1", severity=FindingSeverity.HIGH, message="hole"),),
    image=BuiltImage(id="sha256:i", reference="ecluse/x", size=12),
    pushed=PushedImage(repository="r/shop", digest="sha256:d", tags=("1", "main")),
    measurements=(Measurement(check="http /", passed=True, seen="200", wanted="200", time=NOON, seconds=0.125),),
    outputs={"VERSION": "1.0"},
)
RUN = Run(
    id="01jd" + "0" * 22,
    number=0,
    repository="shop\udcff",
    pipeline="shop",
    commit="4f1c0de" * 5,
    message="Sell tea",
    author="Anna <anna@example.org>",
    branch="main",
    tag="",
    event="push",
    actor="anna",
    dirty=False,
    plan_digest="sha256:0",
    state=RunState.RUNNING,
    created=NOON,
    runner=Runner(host="h", boot="b", pid=7, started_ticks=8),
    stages=(StageRun(name="unit:3.12", kind="test", group="unit", cell={"python": "3.12"}),),
)
FIRST = Attempt(number=1, started=NOON, finished=NOON, outcome=failed("exit 2", hint="look"), log="sha256:l")
SECOND = replace(
    FIRST, number=2, outcome=succeeded(), products=PRODUCTS, service_logs={"db": "sha256:s"}, layer="unit:3.12.2"
)
DONE = StageRun(
    name="unit:3.12",
    kind="test",
    state=StageState.DONE,
    outcome=succeeded(),
    started=NOON,
    finished=NOON + timedelta(seconds=1),
    attempts=(FIRST, SECOND),
    group="unit",
    cell={"python": "3.12"},
    reused="01jc" + "0" * 22,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose database is there and current."""
    first = SqlRecords(sqlite_url(tmp_path))
    assert not first.runs(RunFilter())
    first.close()
    return tmp_path


@pytest.fixture
def quick(home: Path) -> Iterator[SqlRecords]:
    """Records of a process that has not read anything."""
    records = SqlRecords(sqlite_url(home))
    yield records
    records.close()


def spooled(home: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(home / "records.db") as connection:
        return connection.execute("SELECT run, error FROM spool ORDER BY seq").fetchall()


def write_all(records: SqlRecords, run: Run = RUN) -> int:
    number = records.create_run(run, PLAN)
    records.save_stage(run.id, replace(DONE, state=StageState.RUNNING, outcome=None, finished=None, attempts=(FIRST,)))
    records.save_stage(run.id, DONE, durable=True)
    records.save_plan(run.id, replace(PLAN, name="longer"), stages=(StageRun(name="emitted", kind="run"),))
    records.update_run(run.id, state=RunState.DONE, conclusion=Conclusion.SUCCEEDED, finished=NOON)
    return number


def test_it_reads_as_if_it_had_been_written_in_full(home: Path, quick: SqlRecords) -> None:
    in_full = SqlRecords(sqlite_url(home))
    in_full.runs(RunFilter())
    other = replace(RUN, id="01jd" + "1" * 22)
    assert write_all(quick) == 1
    assert len(spooled(home)) == 5
    assert write_all(in_full, other) == 2
    one, two = in_full.find_run(RUN.id), in_full.find_run(other.id)
    assert replace(one, id=two.id, number=two.number) == two
    assert one.stage("unit:3.12").products.pushed == PRODUCTS.pushed
    assert [stage.name for stage in one.stages] == ["unit:3.12", "emitted"]
    assert in_full.plan(RUN.id) == in_full.plan(other.id)
    assert spooled(home) == []
    in_full.close()


def test_a_process_that_only_writes_a_run_imports_no_sqlalchemy(home: Path) -> None:
    program = (
        "import sys; from test_spool import *; import pathlib; "
        "records = SqlRecords(sqlite_url(pathlib.Path(sys.argv[1]))); print(write_all(records)); "
        "records.close(); sys.exit('sqlalchemy' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(home)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (0, "1\n"), answer.stderr


def test_the_tables_see_what_was_written_a_moment_ago(home: Path, quick: SqlRecords) -> None:
    reader = SqlRecords(sqlite_url(home))
    quick.create_run(RUN, PLAN)
    assert reader.find_run("last").state is RunState.RUNNING
    quick.update_run(RUN.id, state=RunState.PARKED)
    assert reader.find_run("last").state is RunState.PARKED
    assert quick.find_run("last").state is RunState.PARKED
    quick.update_run(RUN.id, state=RunState.RUNNING)
    assert reader.find_run("last").state is RunState.RUNNING
    reader.close()


def test_numbers_are_counted_by_all_together(home: Path) -> None:
    numbers: list[int] = []
    lock = threading.Lock()

    def work(which: int) -> None:
        records = SqlRecords(sqlite_url(home))
        if which % 2:
            records.runs(RunFilter())
        for index in range(5):
            made = records.create_run(replace(RUN, id=f"01jd{which:010d}{index:012d}"), PLAN)
            with lock:
                numbers.append(made)
        records.close()

    threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 21))
    records = SqlRecords(sqlite_url(home))
    assert len(records.runs(RunFilter(limit=100))) == 20
    records.close()


@pytest.mark.parametrize("opened", [pytest.param(False, id="quick"), pytest.param(True, id="in full")])
def test_mistakes_are_refused_alike(quick: SqlRecords, *, opened: bool) -> None:
    if opened:
        quick.runs(RunFilter())
    quick.create_run(RUN, PLAN)
    with pytest.raises(RecordsError, match="already recorded"):
        quick.create_run(RUN, PLAN)
    with pytest.raises(NotFoundError, match="there is no run"):
        quick.save_stage("01jz", DONE)
    with pytest.raises(NotFoundError, match="there is no run"):
        quick.update_run("01jz", state=RunState.DONE)


def test_what_cannot_be_read_stops_nobody_and_is_kept(home: Path, quick: SqlRecords) -> None:
    quick.create_run(RUN, PLAN)
    with sqlite3.connect(home / "records.db") as connection:
        connection.execute("INSERT INTO spool (run, body) VALUES (?, ?)", (RUN.id, '{"save_stage": {"name": "x"}}'))
    quick.update_run(RUN.id, state=RunState.DONE, conclusion=Conclusion.FAILED, finished=NOON)
    assert quick.find_run(RUN.id).conclusion is Conclusion.FAILED
    ((run, error),) = spooled(home)
    assert run == RUN.id
    assert "StageRun" in error


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(lambda _path: None, id="no database yet"),
        pytest.param(lambda path: path.write_bytes(b"x" * 4096), id="something else"),
    ],
)
def test_without_a_current_database_the_tables_answer(tmp_path: Path, prepare: object) -> None:
    prepare(tmp_path / "records.db")  # type: ignore[operator]  # a table of functions
    records = SqlRecords(sqlite_url(tmp_path))
    if (tmp_path / "records.db").exists():
        with pytest.raises(RecordsError, match="database"):
            records.create_run(RUN, PLAN)
    else:
        assert records.create_run(RUN, PLAN) == 1
    records.close()
