"""How long every page takes where much has happened: `pages.py [--postgresql] [RUNS] [ROUNDS] [FOLDER]`.

It fills an installation with runs of ten stages (in FOLDER, where a file of SQLite is kept and found again; a server of
PostgreSQL is made for this and goes again), asks the application for each page in turn,
without a network between, and prints the median and the 99th percentile in milliseconds:
by the clock, and of the processor's time, which says more where others work beside. Of PostgreSQL, whose processor time
is not in it, the statements of a page and what they took there.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e/web")]

import made_up  # noqa: E402
from environment.postgres import postgres  # noqa: E402
from made_up import NOW  # noqa: E402
from page_ground import Served, cookie_of  # noqa: E402

from pipeline.bootstrap import Application  # noqa: E402
from pipeline.model.outcome import failed, succeeded  # noqa: E402
from pipeline.model.report import TestCase, TestReport, TestStatus  # noqa: E402
from pipeline.model.repository import Repository  # noqa: E402
from pipeline.model.run import Attempt, Products, Run, StageRun  # noqa: E402
from pipeline.model.status import Conclusion, RunState, StageState  # noqa: E402
from pipeline.model.ulid import ulid  # noqa: E402
from pipeline.records import run_records, tables  # noqa: E402

REPOSITORIES = 50
STAGES = 10
TEMPLATE = 500
COPIED = {"runs": "id", "plans": "run", "stage_runs": "run", "attempts": "run", "reports": "run", "test_cases": "run"}
"""Tables, and the column that names the run; those before come first."""
COUNTING = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on"}
BUSY = "https://git.example.org/busy/shop.git"
"""Half of all runs are its own."""


def fill(app: Application, runs: int) -> None:
    """So many runs in fifty repositories, one of them with the half of all."""
    urls = [BUSY, *(f"https://git.example.org/team{n % 7}/service{n}.git" for n in range(1, REPOSITORIES))]
    for url in urls:
        name = "/".join(url.removesuffix(".git").split("/")[-2:])
        app.intake.save_repository(Repository(name=name, url=url, created=NOW))
    plan = made_up.plan_of([made_up.Stage(name=f"s{n}", needs=(f"s{n - 1}",) if n else ()) for n in range(STAGES)])
    database = app.records.database()  # type: ignore[attr-defined]
    with database.writing() as connection:
        for index in range(TEMPLATE):
            begun = NOW - timedelta(minutes=TEMPLATE - index)
            run_records.create_run(connection, _run(urls[index % REPOSITORIES if index % 2 else 0], begun, index), plan)
    for copy in range(1, runs // TEMPLATE):
        with database.writing() as connection:
            _copied(connection, copy)


def _copied(connection: sa.Connection, copy: int) -> None:
    """The first runs once more, as older ones with ids and numbers of their own."""
    for table, run in COPIED.items():
        columns = [column.name for column in tables.metadata.tables[table].columns]
        values = {name: f'"{name}"' for name in columns}
        values[run] = f"'{copy:04x}' || substr(\"{run}\", 5)"
        if table == "runs":
            values["number"] = f"number + {copy * TEMPLATE}"
            values["created"] = _older("created", copy * TEMPLATE, connection.dialect.name)
            values["finished"] = _older("finished", copy * TEMPLATE, connection.dialect.name)
        names = ", ".join(f'"{name}"' for name in columns)
        chosen = f"number <= {TEMPLATE} AND substr(id, 1, 2) = '01' AND substr(repository, 1, 6) = 'https:'"
        first = f"SELECT id FROM runs WHERE {chosen}"  # noqa: S608 - numbers and names of our own
        connection.exec_driver_sql(
            f'INSERT INTO {table} ({names}) SELECT {", ".join(values.values())} FROM {table} WHERE "{run}" IN ({first})'  # noqa: S608 - names of our own
        )


def _older(column: str, minutes: int, database: str) -> str:
    """An expression for so many minutes before."""
    if database == "sqlite":
        return f"strftime('%Y-%m-%dT%H:%M:%S.000000Z', {column}, '-{minutes} minutes')"
    moved = f"(CAST({column} AS timestamptz) - INTERVAL '{minutes} minutes') AT TIME ZONE 'UTC'"
    return f'to_char({moved}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'


def _run(url: str, begun: datetime, index: int) -> Run:
    made = Run(
        id=ulid(begun, index.to_bytes(10, "big")),
        number=0,
        repository=url,
        pipeline="shop",
        commit=f"{index:040x}",
        message=f"Brew it {index} s longer",
        author="Anna Ahorn",
        branch="main" if index % 3 else f"topic/{index % 500}",
        tag="",
        event="push",
        actor="anna",
        dirty=False,
        plan_digest="",
        state=RunState.DONE,
        created=begun,
        conclusion=Conclusion.FAILED if index % 10 == 0 else Conclusion.SUCCEEDED,
    )
    stages = tuple(_stage(number, begun, index) for number in range(STAGES))
    return replace(made, finished=begun + timedelta(minutes=2), stages=stages)


def _stage(number: int, begun: datetime, index: int) -> StageRun:
    outcome = failed("2 tests failed") if number == 4 and index % 10 == 0 else succeeded()
    products = Products()
    if number == 4 and index % 20 == 0:
        cases = tuple(
            TestCase(
                suite="s",
                classname="tests.test_tea",
                name=f"test_{case}",
                status=TestStatus.FAILED if case == index % 17 else TestStatus.PASSED,
                seconds=0.1,
            )
            for case in range(20)
        )
        products = Products(tests=TestReport(cases=cases))
    attempt = Attempt(number=1, started=begun, finished=begun, outcome=outcome, products=products)
    return StageRun(
        name=f"s{number}",
        kind="run",
        state=StageState.DONE,
        outcome=outcome,
        started=begun,
        finished=begun,
        attempts=(attempt,),
    )


class Asked:
    """What PostgreSQL counts; of a file nothing."""

    def __init__(self, url: str = "") -> None:
        self.url = url

    def begin(self) -> None:
        """Count anew."""
        self._row("SELECT pg_stat_statements_reset()")

    def told(self, rounds: int) -> str:
        """For each of so many pages."""
        found = self._row(
            "SELECT sum(calls), sum(total_exec_time + total_plan_time) FROM pg_stat_statements "
            "WHERE query !~ '^(BEGIN|COMMIT|ROLLBACK|SELECT pg_stat)'"
        )
        return f"  {found[0] / rounds:4.0f} statements {found[1] / rounds:6.1f} ms" if found else ""

    def _row(self, order: str) -> Any:
        if not self.url:
            return None
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(order.encode()).fetchone()


async def measure(app: Application, rounds: int, asked: Asked) -> None:
    """Each page so often."""
    import httpx

    from pipeline.web.app import build

    cookie = cookie_of(Served(url="", app=app))
    transport = httpx.ASGITransport(app=build(app))
    number = app.records.glance(repository=BUSY, limit=1)[0].number
    waiting = app.records.promotions(limit=1)[0]
    paths = {
        "repositories": "/",
        "runs": "/r/busy/shop",
        "runs of a rare branch": "/r/busy/shop?branch=topic/7",
        "what failed": "/r/busy/shop?state=failed",
        "a run": f"/r/busy/shop/runs/{number}",
        "a stage": f"/r/busy/shop/runs/{number}/stages/s4",
        "tests": "/r/busy/shop/tests",
        "board": "/board?repository=tea/shop",
        "environment": "/environments/prod?repository=tea/shop",
        "release": f"/releases/{waiting.release}",
        "promotion": f"/promotions/{waiting.id}",
        "ledger": "/ledger",
        "system": "/system",
        "search": "/search?q=service1",
        "search a number": "/search?q=100",
    }
    client = httpx.AsyncClient(transport=transport, base_url="http://bench", cookies={cookie["name"]: cookie["value"]})
    async with client:
        for name, path in paths.items():
            times, worked = [], []
            asked.begin()
            for _ in range(rounds):
                begun, before = time.perf_counter(), time.process_time()
                answer = await client.get(path, headers={"Accept": "text/html"})
                times.append(1000 * (time.perf_counter() - begun))
                worked.append(1000 * (time.process_time() - before))
                if answer.status_code != 200:
                    raise SystemExit(f"{path}: {answer.status_code}")
            took = "  ".join(
                f"{word} median {seen[len(seen) // 2]:6.1f} p99 {seen[int(len(seen) * 0.99)]:6.1f} ms"
                for word, seen in (("clock", sorted(times)), ("processor", sorted(worked)))
            )
            print(f"{name:<24} {took}  {len(answer.content) / 1000:6.1f} kB{asked.told(rounds)}", flush=True)


def _order(url: str, order: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(order.encode())


def main() -> None:
    """Fill what is not filled, then measure."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    runs = int(words[0]) if words else 100_000
    rounds = int(words[1]) if len(words) > 1 else 100
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory())
        home = Path(words[2] if len(words) > 2 else temporary)
        home.mkdir(parents=True, exist_ok=True)
        app, asked = made_up.home_of(home), Asked()
        if "--postgresql" in sys.argv:
            server = stack.enter_context(postgres(**COUNTING))
            url = server.url(server.fresh())
            app = Application({**app.environment, "ECLUSE_DATABASE": url})
            stack.callback(app.records.close)
            asked = Asked(url)
            _order(url, "CREATE EXTENSION pg_stat_statements")
        if not app.intake.repositories():
            begun = time.monotonic()
            made_up.shop(app)
            fill(app, runs)
            print(f"{runs} runs, {runs * STAGES} stage runs, filled in {time.monotonic() - begun:.0f} s", flush=True)
            if asked.url:
                _order(asked.url, "VACUUM ANALYZE")
        asyncio.run(measure(app, rounds, asked))


if __name__ == "__main__":
    main()
