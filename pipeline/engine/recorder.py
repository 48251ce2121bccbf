"""Writes a run into the records as it happens, behind the scenes and in order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from pipeline.errors import EcluseError, RecordsError
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.ports.records import Records

Broken = Callable[[EcluseError], None]


class Recorder:
    """An Observer with a thread of its own, which opens the database when the first stage is running: while the
    engine starts its container, this process has nothing better to do.

    `number` waits until the records gave the run its number. The first error is told to `broken` at once and raised
    again by `close`, which returns when everything is written.
    """

    def __init__(self, open_records: Callable[[], Records], *, numbered: Callable[[Run], None], broken: Broken) -> None:
        self._open = open_records
        self._numbered = numbered
        self._broken = broken
        self._work: queue.SimpleQueue[tuple[str, Callable[[Records], None]] | None] = queue.SimpleQueue()
        self._number = 0
        self._known = threading.Event()
        self._begin = threading.Event()
        self._error: EcluseError | None = None
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def number(self) -> int:
        """The run's number; raises what kept the records from giving one."""
        self._begin.set()
        self._known.wait()
        if self._error is not None and self._number == 0:
            raise self._error
        return self._number

    def close(self) -> None:
        """Wait until all is written; raises the first error."""
        self._begin.set()
        self._work.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def run_started(self, run: Run, plan: Plan) -> None:
        """Store the run and learn its number."""

        def write(records: Records) -> None:
            self._number = records.create_run(run, plan)
            self._known.set()
            self._numbered(replace(run, number=self._number))

        self._work.put(("", write))

    def run_numbered(self, run: Run) -> None:
        """Known already."""

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        """Store whether it waits or runs."""
        self._begin.set()
        self._work.put(("", lambda records: records.update_run(run, state=state)))

    def run_noted(self, run: str, text: str) -> None:
        """For the eye."""

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """Store that a stage runs; the states between are for the eye."""
        if state is StageState.RUNNING:
            self._begin.set()
            self._work.put((stage.name, lambda records: records.save_stage(run, stage)))

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """The log has it."""

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        """Store the attempt when another follows; the last one is stored with its stage."""
        if stage.state is not StageState.DONE:
            self._work.put((stage.name, lambda records: records.save_stage(run, stage)))

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """Store the stage with its attempts and products."""
        self._begin.set()
        self._work.put((stage.name, lambda records: records.save_stage(run, stage)))

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None:
        """Store the longer plan and its new stages."""
        self._work.put(("", lambda records: records.save_plan(run, plan)))
        for stage in stages:
            self._work.put((stage.name, partial(_save, run, stage)))

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """Store what it waits for."""
        self._work.put((stage.name, lambda records: records.save_stage(run, stage)))

    def run_finished(self, run: Run) -> None:
        """Store the end."""
        end = partial(_end, run)
        self._work.put(("", end))

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
            latest = {stage: index for index, (stage, _) in enumerate(jobs)}
            for index, (stage, job) in enumerate(jobs):
                if self._error is not None or (stage and latest[stage] > index):
                    continue  # what is stored later of the same stage holds this too
                try:
                    records = records or self._open()
                    job(records)
                except EcluseError as error:
                    self._stop(error)
                except Exception as error:  # noqa: BLE001 - the worker's edge: whoever waits for the number must hear
                    self._stop(RecordsError(f"defect in Écluse while recording: {type(error).__name__}: {error}"))

    def _stop(self, error: EcluseError) -> None:
        self._error = error
        self._known.set()
        self._broken(error)


def _save(run: str, stage: StageRun, records: Records) -> None:
    records.save_stage(run, stage)


def _end(run: Run, records: Records) -> None:
    records.update_run(run.id, state=run.state, conclusion=run.conclusion, finished=run.finished)
