"""What the simulated day came to, for each run and each stage; whether it went as it should; what a large one takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from scale_day import PEAK, Seen
from scale_ground import Installation, Size
from scale_measured import Statements, Table
from scale_run import fails


@dataclass(frozen=True, kw_only=True)
class Course:
    """One run from its webhook to its end; moments in seconds since 1970."""

    sent: float
    received: float
    queued: float
    taken: float
    begun: float
    ended: float
    finished: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """All figures of one day."""

    size: Size
    seen: Seen
    courses: Sequence[Course]
    seconds: float
    """From the first event to the end of the last run."""
    processor: Mapping[str, float]
    """Seconds of the processor: of `server` and `worker` (without their children), `git` of the server, `run`
    processes with their git, `database`. What time alone takes is not in it."""
    rest: Mapping[str, float]
    """Processor time a second with nothing to do, by the same names."""
    memory: Mapping[str, int]
    largest: int
    """Bytes of memory of the largest process that made a run."""
    connections: float
    """To PostgreSQL, of each run under way."""
    statements: Mapping[str, Statements]
    """By role, without what time alone asks for."""
    resting: Mapping[str, float]
    """Transactions a second with nothing to do, by role."""
    tables: Sequence[Table]
    """How they grew; the one that grew most comes first."""
    stored: int
    """Bytes of logs and artifacts."""

    @property
    def runs(self) -> int:
        """How many were made."""
        return len(self.courses)

    @property
    def waiting(self) -> int:
        """So many waited in the queue at the worst moment."""
        moves = sorted([(item.queued, 1) for item in self.courses] + [(item.taken, -1) for item in self.courses])
        most = now = 0
        for _, step in moves:
            now += step
            most = max(most, now)
        return most

    def each(self, what: str) -> float:
        """Milliseconds of the processor for each run."""
        return 1000 * self.processor[what] / max(self.runs, 1)


def courses(made: Installation, seen: Seen, chosen: Sequence[int]) -> list[Course]:
    """Of all runs. What is lost, double or ended otherwise than it should goes into `seen.wrong`."""
    from pipeline.model.work import WorkState
    from pipeline.ports.records import RunFilter

    most = 10 * len(chosen)
    deliveries = {f"hook:{item.id}": item for item in made.app.intake.deliveries(limit=most)}
    items = made.app.queue.items(states=[WorkState.DONE], limit=most)
    runs = {run.id: run for run in made.app.records.runs(RunFilter(limit=most))}
    taken = _taken(made)
    seen.wrong += [f"{key} led to {count} runs" for key, count in Counter(i.key for i in items).items() if count > 1]
    if not len(deliveries) == len(items) == len(runs) == len(chosen):
        told = f"{len(deliveries)} deliveries, {len(items)} items, {len(runs)} runs"
        seen.wrong.append(f"{len(chosen)} events, but {told}")
    found = []
    for item in items:
        run = runs.get(item.id)
        if run is None or run.finished is None or item.finished is None:
            seen.wrong.append(f"run {item.id}: {item.detail}")
            continue
        expected = "failed" if fails(item.id) else "succeeded"
        if run.conclusion is None or run.conclusion.value != expected:
            seen.wrong.append(f"run {item.id}: {run.conclusion} instead of {expected}; {item.detail}")
        found.append(
            Course(
                sent=seen.sent[run.commit],
                received=_moment(deliveries[item.key].received),
                queued=_moment(item.created),
                taken=taken[item.id],
                begun=_moment(run.created),
                ended=_moment(run.finished),
                finished=_moment(item.finished),
            )
        )
    return found


def _taken(made: Installation) -> dict[str, float]:
    """When each item was taken first, as the workers told it."""
    found: dict[str, float] = {}
    for worker in range(made.size.workers):
        for line in made.told(worker):
            words = str(line.get("said", "")).split()
            if words[:1] == ["run"] and words[-1:] == ["begins"]:
                found.setdefault(words[1], float(line["time"]))
    return found


def _moment(time: datetime) -> float:
    return time.timestamp()


@dataclass(frozen=True, kw_only=True)
class Large:
    """What `stages` a day ask for, by the figures of one day."""

    result: Result
    stages: int = 1_000_000
    repositories: int = 10_000
    run_seconds: float = 300.0
    """How long a run lasts there."""
    lease: float = 30.0
    """Seconds; it is renewed three times as often."""

    @property
    def runs(self) -> float:
        """A second at the peak."""
        return self.stages / self.result.size.stages / 86_400 * PEAK

    @property
    def under_way(self) -> float:
        """Runs at the same time at the peak."""
        return self.runs * self.run_seconds

    @property
    def renewals(self) -> float:
        """Of leases a second."""
        return self.under_way / (self.lease / 3)

    @property
    def looks(self) -> float:
        """A second, of runs under way, whether somebody wants them stopped."""
        from pipeline.operations.serving.lease import LOOK_EVERY

        return self.under_way / LOOK_EVERY - self.renewals

    @property
    def connections(self) -> float:
        """To PostgreSQL, of processes that make runs."""
        return self.under_way * self.result.connections

    def cores(self, what: str) -> float:
        """Busy at the peak."""
        return self.runs * self.result.each(what) / 1000

    def a_second(self, what: str) -> float:
        """Of `transactions`, `statements` or bytes `written`, at the peak, without what time alone asks for."""
        whole = float(sum(getattr(item, what) for item in self.result.statements.values()))
        return self.runs * whole / max(self.result.runs, 1)

    def a_day(self, table: Table) -> float:
        """Bytes by which a table grows."""
        return self.stages / self.result.size.stages * table.size / max(self.result.runs, 1)
