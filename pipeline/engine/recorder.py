"""Writes a run into the records as it happens, behind the scenes and in order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from pipeline.errors import EcluseError, RecordsError
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.ports.records import Records

Broken = Callable[[EcluseError], None]
Write = Callable[[Records], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """One transaction. What is stored later of the same `stage` makes it needless, unless it is `durable`."""

    write: Write
    stage: str = ""
    durable: bool = False
    then: Callable[[], None] | None = None
    """Called once it is committed."""
    always: bool = False
    """Whether `then` is called also where writing is over because of an error."""


class _Came:
    """Stages that were emitted, until the end of their emitter is known."""

    def __init__(self, plan: Plan, stages: Sequence[StageRun]) -> None:
        self._plan = plan
        self._stages = {stage.name: stage for stage in stages}

    def holds(self, stage: StageRun) -> bool:
        """Whether it is one of them; then its newer state is kept."""
        known = stage.name in self._stages
        if known:
            self._stages[stage.name] = stage
        return known

    def write(self, run: str, emitter: StageRun) -> Write:
        """All in one transaction."""
        stages = (*self._stages.values(), emitter)
        return lambda records: records.save_plan(run, self._plan, stages=stages)


class Recorder:
    """An Observer with a thread of its own, which opens the database when the first stage is running: while the
    engine starts its container, this process has nothing better to do.

    `number` waits until the records gave the run its number. The first error is told to `broken` at once and raised
    again by `close`, which returns when everything is written. `released` is told of each stage once its end is
    committed: until then its containers tell a later process how it ended. Stages of a kind with `effects` are on the
    disk when they are committed, their beginning too: see `begun`.
    """

    def __init__(
        self,
        open_records: Callable[[], Records],
        *,
        numbered: Callable[[Run], None],
        broken: Broken,
        known: int = 0,
        released: Callable[[str], None] = lambda _: None,
        effects: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`known`: the number of a run that is recorded already."""
        self._open = open_records
        self._numbered = numbered
        self._broken = broken
        self._released = released
        self._effects = effects
        self._work: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._number = known
        self._came: _Came | None = None
        self._known = threading.Event()
        self._begin = threading.Event()
        self._error: EcluseError | None = None
        if known:
            self._known.set()
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def number(self) -> int:
        """The run's number; raises what kept the records from giving one."""
        self._begin.set()
        self._known.wait()
        if self._error is not None and self._number == 0:
            raise self._error
        return self._number

    def begun(self, run: str, stage: StageRun) -> None:
        """Return when it is on the disk that this stage's attempt has begun: what it does outside must not be
        forgotten in a power cut. Raises what kept it from being written."""
        self._await(_Job(write=partial(_save, run, stage, True), stage=stage.name, durable=True))
        if self._error is not None:
            raise self._error

    def settle(self) -> None:
        """Return when all that was said until now is committed, or can never be: never raises."""
        self._await(_Job(write=lambda _: None))

    def close(self) -> None:
        """Wait until all is written; raises the first error."""
        self._begin.set()
        self._work.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def run_started(self, run: Run, plan: Plan) -> None:
        """Store the run and learn its number; nothing of one that is recorded already."""
        if self._number:
            return

        def write(records: Records) -> None:
            self._number = records.create_run(run, plan)
            self._known.set()
            self._numbered(replace(run, number=self._number))

        self._work.put(_Job(write=write))

    def run_numbered(self, run: Run) -> None:
        """Known already."""

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        """Store whether it waits or runs."""
        self._begin.set()
        self._work.put(_Job(write=lambda records: records.update_run(run, state=state)))

    def run_noted(self, run: str, text: str) -> None:
        """For the eye."""

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """Store that a stage runs; the states between are for the eye."""
        if state is StageState.RUNNING:
            self._begin.set()
            self._save(run, stage)

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """The log has it."""

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        """Store the attempt when another follows; the last one is stored with its stage."""
        if stage.state is not StageState.DONE:
            self._save(run, stage)

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """Store the stage with its attempts and products; then its containers may go."""
        self._begin.set()
        release = partial(self._released, stage.name) if stage.attempts else None
        if self._came is not None:
            if not self._came.holds(stage):
                write = self._came.write(run, stage)
                self._came = None
                self._work.put(_Job(write=write, then=release))
            return
        durable = bool(stage.attempts) and self._effects(stage.kind)
        write = partial(_save, run, stage, durable)
        self._work.put(_Job(write=write, stage=stage.name, durable=durable, then=release))

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None:
        """Store the longer plan and its new stages together with the end of the stage that emitted them, which comes
        next: a stage that is not done must not have emitted anything."""
        self._came = _Came(plan, stages)

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """Store what it waits for."""
        if self._came is None or not self._came.holds(stage):
            self._save(run, stage)

    def run_finished(self, run: Run) -> None:
        """Store the end."""
        self._work.put(_Job(write=partial(_end, run)))

    def _await(self, job: _Job) -> None:
        done = threading.Event()
        self._begin.set()
        self._work.put(replace(job, then=done.set, always=True))
        done.wait()

    def _save(self, run: str, stage: StageRun) -> None:
        self._work.put(_Job(write=partial(_save, run, stage, False), stage=stage.name))

    def _write(self) -> None:
        records: Records | None = None
        self._begin.wait()
        ended = False
        while not ended:
            batch = [self._work.get()]
            with suppress(queue.Empty):
                while True:
                    batch.append(self._work.get_nowait())
            ended = None in batch
            jobs = [item for item in batch if item is not None]
            latest = {job.stage: index for index, job in enumerate(jobs)}
            for index, job in enumerate(jobs):
                if job.stage and latest[job.stage] > index and not job.durable:
                    continue  # what is stored later of the same stage holds this too
                written = False
                try:
                    if self._error is None:
                        records = records or self._open()
                        job.write(records)
                        written = True
                except EcluseError as error:
                    self._stop(error)
                except Exception as error:  # noqa: BLE001 - the worker's edge: whoever waits for the number must hear
                    self._stop(RecordsError(f"defect in Écluse while recording: {type(error).__name__}: {error}"))
                if job.then is not None and (written or job.always):
                    job.then()

    def _stop(self, error: EcluseError) -> None:
        self._error = error
        self._known.set()
        self._broken(error)


def _save(run: str, stage: StageRun, durable: bool, records: Records) -> None:
    records.save_stage(run, stage, durable=durable)


def _end(run: Run, records: Records) -> None:
    records.update_run(run.id, state=run.state, conclusion=run.conclusion, finished=run.finished)
