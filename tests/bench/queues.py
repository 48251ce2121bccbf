"""Our queue beside pgqueuer on one PostgreSQL: `pip install pgqueuer`, then `python tests/bench/queues.py`.

Items are put one by one, as webhooks put them; workers are processes that take one, note when, and finish it. Both get
the same server, the same number of items and workers, in turn, round by round. What is measured of each:

    put       items a second, by one process, into an empty queue
    done      items a second, taken and finished by 1, 4 and 16 workers from a backlog
    start     from put to taken, of single items while all workers are idle
    takeover  from kill -9 of the worker that has an item to its being taken by another, with a lease of so many seconds
    late      whose word counts where a worker was stopped (SIGSTOP) for longer than its lease and goes on
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from environment.postgres import Postgres, postgres

OURS, OTHER = "ours", "pgqueuer"
KINDS = (OURS, OTHER)
PATIENCE = 180.0
WORK = "run"
"""What pgqueuer calls an entrypoint."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A database of one queue, and how its workers are started."""

    kind: str
    url: str
    folder: Path
    lease: float
    repositories: int

    @property
    def words(self) -> list[str]:
        return [sys.executable, __file__, "--worker", self.kind, "--lease", str(self.lease)]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "ECLUSE_HOME": str(self.folder), "ECLUSE_DATABASE": self.url}


class Ours:
    """Puts into the table of the records, and looks into it."""

    def __init__(self, place: Place) -> None:
        self._queue = _application(place.environment).queue
        self._repositories = place.repositories

    def put(self, numbers: Sequence[int]) -> None:
        from pipeline.model.source import Event
        from pipeline.model.ulid import ulid
        from pipeline.model.work import WorkItem, WorkKind, WorkRequest

        for number in numbers:
            now = datetime.now(UTC)
            name = f"team/r{number % self._repositories}"
            request = WorkRequest(repository=name, sha="4f1c0de", event=Event(kind="push", branch="main", actor="a"))
            item = WorkItem(
                id=ulid(now, os.urandom(10)), key=f"hook:{number}", kind=WorkKind.BUILD, request=request, created=now
            )
            self._queue.put(item)

    def left(self) -> int:
        return len(self._queue.items(limit=1_000_000))

    def close(self) -> None:
        """Nothing is kept open that the process' end would not close."""


class Theirs:
    """Puts by pgqueuer's own calls."""

    def __init__(self, place: Place) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection, self._queries = self._loop.run_until_complete(_queries(place.url))
        with suppress(Exception):  # it is there already
            self._loop.run_until_complete(self._queries.install())

    def put(self, numbers: Sequence[int]) -> None:
        async def each() -> None:
            for number in numbers:
                await self._queries.enqueue(WORK, str(number).encode())

        self._loop.run_until_complete(each())

    def left(self) -> int:
        return sum(item.count for item in self._loop.run_until_complete(self._queries.queue_size()))

    def close(self) -> None:
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()


def _application(environment: dict[str, str]) -> Any:
    from pipeline.bootstrap import Application

    return Application(environment)


async def _queries(url: str) -> tuple[Any, Any]:
    import psycopg
    from pgqueuer.db import PsycopgDriver
    from pgqueuer.queries import Queries

    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    return connection, Queries(PsycopgDriver(connection))


def _say(what: str, number: object) -> None:
    """To whoever started this worker: when, what, of which item."""
    print(json.dumps([time.time(), what, str(number)]), flush=True)


def work_ours(lease: float, hold: float) -> None:
    """A worker as ours are, without the process of the run."""
    import threading

    from pipeline.errors import LeaseLostError
    from pipeline.model.work import Worker, WorkerState, WorkState

    queue = _application(dict(os.environ)).queue
    now = datetime.now(UTC)
    me = Worker(
        name=f"w{os.getpid()}",
        host="h",
        version="1",
        labels=(),
        slots=2,
        state=WorkerState.READY,
        started=now,
        seen=now,
    )
    queue.greet(me)
    woken = threading.Event()
    queue.listen(woken.set)
    _say("ready", os.getpid())
    while True:
        woken.clear()
        item = queue.take(me, seconds=lease)
        if item is None:
            woken.wait(min(1.0, lease / 3))
            continue
        _say("taken", item.key.removeprefix("hook:"))
        time.sleep(hold)
        try:
            queue.finish(item, state=WorkState.DONE, detail="succeeded")
            _say("finished", item.key.removeprefix("hook:"))
        except LeaseLostError:
            _say("refused", item.key.removeprefix("hook:"))


def work_theirs(lease: float, hold: float, batch: int) -> None:
    """A worker of pgqueuer."""
    import logging

    from pgqueuer.qm import QueueManager

    logging.disable(logging.CRITICAL)

    async def run() -> None:
        connection, queries = await _queries(os.environ["ECLUSE_DATABASE"])
        manager = QueueManager(queries)

        @manager.entrypoint(WORK)
        async def one(job: Any) -> None:
            number = job.payload.decode()
            _say("taken", number)
            if hold:
                await asyncio.sleep(hold)
            _say("finished", number)

        _say("ready", os.getpid())
        await manager.run(
            batch_size=batch,
            max_concurrent_tasks=2 * batch,
            heartbeat_timeout=timedelta(seconds=lease),
            dequeue_timeout=timedelta(seconds=min(1.0, lease / 3)),
        )
        await connection.close()

    asyncio.run(run())


@dataclass
class Crew:
    """Workers that run; what each said is in its file."""

    processes: list[subprocess.Popen[bytes]]
    files: list[Path]
    worked: float = 0.0
    """Seconds of processor time until all were ready."""

    def said(self) -> list[tuple[float, str, str, int]]:
        """When, what, which item, by whom."""
        lines = []
        for process, file in zip(self.processes, self.files, strict=True):
            for line in file.read_text().splitlines():
                with suppress(ValueError):  # half a line
                    when, what, number = json.loads(line)
                    lines.append((when, what, number, process.pid))
        return sorted(lines)

    def await_count(self, what: str, count: int) -> list[tuple[float, str, str, int]]:
        """What was said once so much of it was said."""
        end = time.monotonic() + PATIENCE
        while len(found := [line for line in self.said() if line[1] == what]) < count:
            if time.monotonic() > end or all(process.poll() is not None for process in self.processes):
                raise RuntimeError(f"{len(found)} of {count} were {what}")
            time.sleep(0.05)
        return found


@contextmanager
def crew(place: Place, count: int, *, batch: int = 1, hold: float = 0.0) -> Iterator[Crew]:
    """So many workers, ended at the end."""
    files = [Path(tempfile.mkstemp(dir=place.folder, suffix=".said")[1]) for _ in range(count)]
    processes = []
    try:
        for file in files:
            with file.open("wb") as out:
                words = [*place.words, "--batch", str(batch), "--hold", str(hold)]
                processes.append(subprocess.Popen(words, env=place.environment, stdout=out))
        made = Crew(processes, files)
        made.await_count("ready", count)
        made.worked = sum(_worked(process.pid) for process in processes)
        yield made
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
        for process in processes:
            process.wait()


@contextmanager
def placed(server: Postgres, kind: str, *, lease: float = 30.0, repositories: int = 20) -> Iterator[tuple[Place, Any]]:
    """A fresh database with an empty queue."""
    name = server.fresh()
    with tempfile.TemporaryDirectory(prefix="ecluse-bench-") as folder:
        place = Place(kind=kind, url=server.url(name), folder=Path(folder), lease=lease, repositories=repositories)
        queue = Ours(place) if kind == OURS else Theirs(place)
        try:
            yield place, queue
        finally:
            queue.close()


def backlog(server: Postgres, kind: str, *, workers: int, items: int, batch: int) -> tuple[float, float, float]:
    """Items put a second, done a second, and processor time of the workers for each."""
    with placed(server, kind) as (place, queue):
        queue.put([-1])
        begun = time.perf_counter()
        queue.put(range(items))
        rate = items / (time.perf_counter() - begun)
        with crew(place, workers, batch=batch) as made:
            done = made.await_count("finished", items + 1)
            taken = [line for line in made.said() if line[1] == "taken"]
            worked = sum(_worked(process.pid) for process in made.processes) - made.worked
        different = len({line[2] for line in taken})
        end = time.monotonic() + 10
        while queue.left() and time.monotonic() < end:  # pgqueuer writes what ended a little later
            time.sleep(0.1)
        if (len(taken), different, queue.left()) != (items + 1, items + 1, 0):
            print(
                f"{kind}: NOT ALL, or not once: {len(taken)} taken, {different} different, {queue.left()} left",
                flush=True,
            )
        return rate, items / (done[-1][0] - taken[0][0]), worked / items


def start(server: Postgres, kind: str, *, workers: int, items: int) -> list[float]:
    """Seconds from put to taken, of one item after the other."""
    found = []
    with placed(server, kind) as (place, queue), crew(place, workers) as made:
        time.sleep(1.0)  # what comes while they start is another matter
        for number in range(items):
            begun = time.time()
            queue.put([number])
            taken = next(line for line in made.await_count("taken", number + 1) if line[2] == str(number))
            found.append(taken[0] - begun)
    return sorted(found)


def takeover(server: Postgres, kind: str, *, lease: float) -> float:
    """Seconds from the death of a worker to the next taking of its item."""
    with placed(server, kind, lease=lease) as (place, queue), crew(place, 2, hold=600) as made:
        queue.put([1])
        first = made.await_count("taken", 1)[0]
        died = time.time()
        os.kill(first[3], signal.SIGKILL)
        return made.await_count("taken", 2)[1][0] - died


def late(server: Postgres, kind: str, *, lease: float) -> str:
    """What becomes of the word of a worker that was overtaken."""
    with placed(server, kind, lease=lease) as (place, queue), crew(place, 2, hold=3 * lease) as made:
        queue.put([1])
        first = made.await_count("taken", 1)[0]
        os.kill(first[3], signal.SIGSTOP)
        second = made.await_count("taken", 2)[1]
        os.kill(second[3], signal.SIGSTOP)  # it works on: its item is its own
        os.kill(first[3], signal.SIGCONT)
        end = time.monotonic() + PATIENCE
        while not (spoke := [line for line in made.said() if line[1] in ("finished", "refused")]):
            if time.monotonic() > end:
                raise RuntimeError("the late worker said nothing")
            time.sleep(0.1)
        time.sleep(1.0)  # pgqueuer writes what ended a little later
        return f"{spoke[0][1]}; {queue.left()} of 1 item left to the one who has it"


def _worked(pid: int) -> float:
    """Seconds of processor time that a process has taken; with others beside, this is what compares."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def main() -> int:
    """Print what was measured."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--items", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--lease", type=float, default=3.0)
    options.add_argument("--hold", type=float, default=0.0, help=argparse.SUPPRESS)
    options.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    options.add_argument("--worker", choices=KINDS, help=argparse.SUPPRESS)
    options.add_argument("parts", nargs="*", default=["done", "start", "takeover", "late"])
    asked = options.parse_args()
    if asked.worker == OURS:
        work_ours(asked.lease, asked.hold)
    elif asked.worker == OTHER:
        work_theirs(asked.lease, asked.hold, asked.batch)
    else:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        with postgres() as server:
            measure(server, asked)
    return 0


def measure(server: Postgres, asked: argparse.Namespace) -> None:
    """Each part, each queue in turn."""
    if "done" in asked.parts:
        for workers in (1, 4, 16):
            rates: dict[str, list[tuple[float, float, float]]] = {}
            for _ in range(asked.rounds):
                for name, kind, batch in ((OURS, OURS, 1), ("pgqueuer one by one", OTHER, 1), (OTHER, OTHER, 10)):
                    found = backlog(server, kind, workers=workers, items=asked.items, batch=batch)
                    rates.setdefault(name, []).append(found)
            ours = statistics.median(rate for _, rate, _ in rates[OURS])
            for name, both in rates.items():
                puts, done, worked = (statistics.median(one) for one in zip(*both, strict=True))
                told = f"put {puts:,.0f}/s, done {done:,.0f}/s, {_ms(worked)} of a processor each"
                print(f"{workers:>2} workers, {name}: {told}", end="")
                print("" if name == OURS else f"; ours is {ours / done:.2f} of it", flush=True)
    if "start" in asked.parts:
        for workers in (1, 4, 16):
            for kind in KINDS:
                times = start(server, kind, workers=workers, items=40)
                print(f"{workers:>2} workers, {kind}: start {_ms(times[20])}, slowest {_ms(times[-1])}", flush=True)
    for kind in KINDS:
        if "takeover" in asked.parts:
            seconds = [takeover(server, kind, lease=asked.lease) for _ in range(asked.rounds)]
            print(f"{kind}: taken over after {statistics.median(seconds):.1f} s, lease {asked.lease:.0f} s", flush=True)
        if "late" in asked.parts:
            print(f"{kind}: who was overtaken: {late(server, kind, lease=asked.lease)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
