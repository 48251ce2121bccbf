"""Tells every observer of a run, one call at a time and in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.model.outcome import Outcome
    from pipeline.model.plan import Plan
    from pipeline.model.run import Attempt, Run, StageRun
    from pipeline.model.status import RunState, StageState
    from pipeline.ports.observer import Observer


class Announcer:
    """An Observer that passes on to several; its lock makes calls from many threads one sequence."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._lock = threading.RLock()

    def run_started(self, run: Run, plan: Plan) -> None:
        """The run exists."""
        with self._lock:
            for observer in self._observers:
                observer.run_started(run, plan)

    def run_numbered(self, run: Run) -> None:
        """The records gave the run its number."""
        with self._lock:
            for observer in self._observers:
                observer.run_numbered(run)

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        """The run waits or goes on."""
        with self._lock:
            for observer in self._observers:
                observer.run_moved(run, state, why)

    def run_noted(self, run: str, text: str) -> None:
        """Something about the run as a whole."""
        with self._lock:
            for observer in self._observers:
                observer.run_noted(run, text)

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """A stage changed its state."""
        with self._lock:
            for observer in self._observers:
                observer.stage_moved(run, stage, state)

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """Masked whole lines."""
        with self._lock:
            for observer in self._observers:
                observer.stage_output(run, stage, attempt, text)

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        """An attempt ended."""
        with self._lock:
            for observer in self._observers:
                observer.attempt_finished(run, stage, attempt)

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """A stage is done."""
        with self._lock:
            for observer in self._observers:
                observer.stage_finished(run, stage, outcome)

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None:
        """A stage emitted further stages."""
        with self._lock:
            for observer in self._observers:
                observer.plan_extended(run, plan, stages)

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """A stage waits for a person or a gate."""
        with self._lock:
            for observer in self._observers:
                observer.stage_parked(run, stage)

    def run_finished(self, run: Run) -> None:
        """The run is done."""
        with self._lock:
            for observer in self._observers:
                observer.run_finished(run)
