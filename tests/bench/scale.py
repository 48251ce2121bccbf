"""A day of a large installation, simulated: `make bench-scale ARGS="--repositories 200 --runs 2000 --workers 4"`.

A real database, a real `ecluse serve`, real workers and real processes for the runs, signed webhooks over HTTP, people
who look at pages and follow logs; only the containers are scripted. A day is compressed: its peak has five times the
average. With the figures it is worked out what 10,000 repositories and 1,000,000 stages a day ask for. The tables go
into docs/scale.md, each database at its own place, or into `--page FILE`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import scale_day
import scale_measured as measured
import scale_report
from scale_ground import Installation, Size, fill, installation
from scale_result import Result, courses

PAGE = Path(__file__).resolve().parents[2] / "docs/scale.md"
_PATIENCE = 600.0
"""Seconds without the end of any run after which something is wrong."""
_FETCHES = 60.0
"""Seconds that may pass until the server has fetched every repository."""
_IDLE = 5.0
"""Seconds for which is measured what nothing takes."""
_SEED = 11


def main() -> int:
    """Simulate, print, write; 1 where an event was lost or a run went wrong."""
    asked = _arguments()
    size = Size(
        repositories=asked.repositories,
        runs=asked.runs,
        stages=asked.stages,
        workers=asked.workers,
        slots=asked.slots,
        database=asked.database,
        day=asked.day,
        seconds=asked.stage_seconds,
        lines=asked.stage_lines,
        visitors=asked.visitors,
    )
    try:
        with installation(size) as made:
            result = simulate(made, idle=asked.idle)
    except KeyboardInterrupt:
        _say("stopped; nothing is left\n")
        return 130
    text = scale_report.report(result)
    print("\n" + text)
    if asked.statements:
        print(scale_report.statements(result))
    if asked.page != "none":
        scale_report.put(text, Path(asked.page), size.database)
    for line in result.seen.wrong[:20]:
        print(f"WRONG: {line}", file=sys.stderr)
    return int(bool(result.seen.wrong))


def simulate(made: Installation, *, idle: float) -> Result:
    """Fill it, let the day pass, and wait for its last run."""
    size, drawn = made.size, random.Random(_SEED)  # noqa: S311 - a load, the same each time
    chosen = scale_day.events(size.repositories, size.runs, drawn)
    _say(f"{size.repositories} repositories and the commits of {size.runs} pushes")
    commits = fill(made, chosen)
    _say(f"the server and {size.workers} workers start")
    made.start()
    watch = measured.Watch(made=made)
    try:
        _until_quiet(made)
        empty = measured.tables(made)
        rest = _while(made, lambda: _rest(idle))
        due = scale_day.times(size.runs, size.day, drawn)
        day = _while(made, lambda: _day(made, chosen, commits, due))
    finally:
        watch.stop()
    _say("counting\n")
    made.stop()
    last = [made.told(worker)[-1] for worker in range(size.workers)]
    times = day.seconds / rest.seconds
    took = {name: max(0.0, seconds - times * rest.processor[name]) for name, seconds in day.processor.items()}
    return Result(
        size=size,
        seen=day.seen,
        courses=courses(made, day.seen, chosen),
        seconds=day.seconds,
        processor=took | {"run": sum(line["processor"] for line in last)},
        rest={name: seconds / rest.seconds for name, seconds in rest.processor.items()},
        memory=watch.memory,
        largest=max(line["largest"] for line in last),
        connections=watch.connections / max(watch.runs, 1),
        statements={role: asked.less(rest.asked[role], times) for role, asked in day.asked.items()},
        resting={role: asked.transactions / rest.seconds for role, asked in rest.asked.items()},
        tables=[table for table in measured.grown(empty, measured.tables(made)) if table.rows >= size.runs / 2],
        stored=measured.size_of(made.home / "storage"),
    )


@dataclass(frozen=True, kw_only=True)
class _While:
    """What was taken while something happened."""

    seen: scale_day.Seen
    seconds: float
    processor: Mapping[str, float]
    asked: Mapping[str, measured.Statements]


def _while(made: Installation, happens: Callable[[], scale_day.Seen]) -> _While:
    measured.forget_statements(made)
    before, begun = _processor(made), time.monotonic()
    seen = happens()
    seconds, asked, after = time.monotonic() - begun, measured.statements(made), _processor(made)
    took = {name: now - before[name] for name, now in after.items()}
    return _While(seen=seen, seconds=seconds, processor=took, asked=asked)


def _until_quiet(made: Installation) -> None:
    """Until the server has fetched every repository for the first time."""
    server, last, since = made.processes["server"].pid, -1.0, time.monotonic()
    until = since + _FETCHES
    while time.monotonic() - since < 2.0 and time.monotonic() < until:
        now = measured.worked(server).children
        if now != last:
            last, since = now, time.monotonic()
        _say("the server fetches its repositories")
        time.sleep(0.2)


def _rest(seconds: float) -> scale_day.Seen:
    """What time alone takes."""
    _say("nothing happens")
    time.sleep(seconds)
    return scale_day.Seen()


def _day(made: Installation, chosen: Sequence[int], commits: Sequence[str], due: Sequence[float]) -> scale_day.Seen:
    begun = time.monotonic()
    seen = scale_day.live(made, chosen, commits, due, lambda sent, at: _progress(made, sent, at))
    _await_last(made, begun)
    return seen


def _processor(made: Installation) -> dict[str, float]:
    """Seconds until now, by who took them."""
    server = measured.worked(made.processes["server"].pid)
    workers = [measured.worked(process.pid) for name, process in made.processes.items() if name != "server"]
    return {
        "server": server.own,
        "git": server.children,
        "worker": sum(item.own for item in workers),
        "database": measured.database_worked(made),
    }


def _await_last(made: Installation, begun: float) -> None:
    """Until nothing waits and nothing runs any more."""
    left, since = -1, time.monotonic()
    while True:
        made.check()
        open_ones = len(made.app.queue.items(limit=100_000)) + len(made.app.intake.undecided(limit=100_000))
        if not open_ones:
            return
        if open_ones != left:
            left, since = open_ones, time.monotonic()
        if time.monotonic() - since > _PATIENCE:
            raise SystemExit(f"{open_ones} runs do not end")
        _say(f"the day is over; {open_ones} runs are still to end ({time.monotonic() - begun:.0f} s)")
        time.sleep(1.0)


def _progress(made: Installation, sent: int, at: float) -> None:
    hour = 24 * at / made.size.day
    _say(f"{int(hour):02}:{int(hour % 1 * 60):02} {sent} of {made.size.runs} pushes")


def _say(text: str) -> None:
    """One line that changes; on what is no terminal, lines, and not every one of them."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
    elif (what := text[: 2 if text[:1].isdigit() else 9]) != _said.get("what"):
        _said["what"] = what
        sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()


_said: dict[str, str] = {}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=50)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--stages", type=int, default=5, help="of each run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slots", type=int, default=4, help="of each worker")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--day", type=float, default=100.0, metavar="SECONDS", help="how long a day lasts")
    parser.add_argument("--stage-seconds", type=float, default=0.5, help="how long a stage lasts")
    parser.add_argument("--stage-lines", type=int, default=100, help="what it prints")
    parser.add_argument("--visitors", type=int, default=3, help="people who look at pages and follow logs")
    parser.add_argument("--idle", type=float, default=_IDLE, metavar="SECONDS", help="for measuring a server at rest")
    parser.add_argument("--statements", action="store_true", help="print what is asked of PostgreSQL most")
    parser.add_argument("--page", default=str(PAGE), metavar="FILE", help="where the tables go, or none")
    asked = parser.parse_args()
    if min(asked.repositories, asked.runs, asked.stages, asked.workers, asked.slots) < 1:
        parser.error("counts are at least 1")
    return asked


if __name__ == "__main__":
    sys.exit(main())
