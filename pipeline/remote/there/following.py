"""A run of a server as those who watch a run know it: asked for again and again, told as it happens."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import NotFoundError, ServerBusyError, ServerError
from pipeline.model.plan import Plan
from pipeline.model.pulse import Pulse, StagePulse
from pipeline.model.run import Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.model.work import WorkItem, WorkState
from pipeline.operations.log_pieces import Mark
from pipeline.remote.connection import Connection, segment
from pipeline.remote.there.logs import QUICK, SLOW, Patience, Reading

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.ports.observer import Observer

_STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", re.MULTILINE)
_ON_ITS_WAY = (StageState.READY, StageState.PREPARING, StageState.RUNNING, StageState.COLLECTING)


class Times:
    """A stopwatch that shows when on the server what is told just now has happened."""

    def __init__(self) -> None:
        self.shown = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.shown


class Following:
    """One run, from the moment that somebody asked for it (`item`) to its end, or until it waits for people.

    `before` is the run as it stood when it was asked to go on: what had happened by then is not told again.
    """

    def __init__(
        self,
        connection: Connection,
        repository: str,
        item: WorkItem,
        observers: Sequence[Observer],
        *,
        note: Callable[[str], None],
        before: Run | None = None,
        times: Times | None = None,
    ) -> None:
        self._connection = connection
        self._item = item
        self._observers = observers
        self._note = note
        self._times = times or Times()
        self._path = f"{repository}/runs/{segment(item.request.retry or item.id)}"
        self._seen: dict[str, StagePulse] = {}
        self._told: dict[str, int] = {}
        """Attempts of each stage whose end was told."""
        self._done: dict[str, int] = {}
        """With how many attempts each stage was told to be done."""
        self._due: set[str] = set()
        """Stages that moved, and whose end may have to be told yet: what was cut off is made up for."""
        self._reused: set[str] = set()
        self._names: tuple[str, ...] = ()
        self._waits = ""
        self._reading = Reading(connection, self._path)
        if before is not None:
            self._told = {stage.name: len(stage.attempts) for stage in before.stages}
            self._reading.skip({stage.name: Mark(attempt=len(stage.attempts) + 1, read=0) for stage in before.stages})
        self._before = {stage.name: stage for stage in before.stages} if before else {}

    def watch(self) -> Run:
        """The run at its end or parked. ServerError where it came to none; every way in which a server can fail."""
        patience = Patience()
        nap = QUICK
        run: Run | None = None
        while True:
            try:
                item = self._connection.noun(WorkItem, f"queue/{self._item.id}")
                if run is None:
                    run = self._begun(item)
                grown = run is not None and self._round(run.id)
                patience.restored()
                if item.state in (WorkState.DONE, WorkState.PARKED):
                    if run is None:
                        raise ServerError(f"there is no run: {item.detail or item.state.value}")
                    return self._ended()
                nap = QUICK if grown else min(nap * 1.5, SLOW)
                time.sleep(nap)
            except ServerBusyError as error:
                time.sleep(patience.borne(error))

    def _begun(self, item: WorkItem) -> Run | None:
        """The run, once there is one and somebody makes it; what it waits for is said."""
        if item.detail and item.detail != self._waits and item.state is WorkState.QUEUED:
            self._note(f"{item.state.value}: {item.detail}")
        self._waits = item.detail
        if self._before and item.state is WorkState.QUEUED:
            return None
        try:
            run = self._connection.noun(Run, self._path)
        except NotFoundError:
            return None
        plan = self._plan()
        self._at(run.created.timestamp())
        for observer in self._observers:
            observer.run_started(self._as_it_began(run), plan)
            observer.run_numbered(run)
        self._names = tuple(stage.name for stage in run.stages)
        return run

    def _as_it_began(self, run: Run) -> Run:
        """Without what has happened since somebody asked."""
        blank = (StageRun(name=item.name, kind=item.kind, group=item.group, cell=item.cell) for item in run.stages)
        return replace(run, number=0, stages=tuple(self._before.get(item.name, item) for item in blank))

    def _round(self, run: str) -> bool:
        """Tell what has happened since the last time; whether something has."""
        pulse = self._connection.noun(Pulse, f"{self._path}/pulse")
        moved = [stage for stage in pulse.stages if stage != self._seen.get(stage.name)]
        self._due |= {stage.name for stage in moved}
        whole = self._connection.noun(Run, self._path) if self._due else None
        stages = {stage.name: stage for stage in whole.stages} if whole else {}
        self._reused |= {stage.name for stage in stages.values() if stage.reused}
        self._extended(run, pulse, stages)
        for stage in moved:
            self._moved(run, stage, stages.get(stage.name))
            self._seen[stage.name] = stage
        grown = False
        for block in self._reading.news(pulse):
            grown = True
            for observer in self._observers if block.stage not in self._reused else ():
                observer.stage_output(run, block.stage, block.attempt, _STAMP.sub(b"", block.lines))
        for stage in pulse.stages:
            if stage.name in self._due:
                self._finished(run, stage, stages.get(stage.name))
                self._due.discard(stage.name)
        return bool(moved) or grown

    def _extended(self, run: str, pulse: Pulse, stages: dict[str, StageRun]) -> None:
        came = [stage.name for stage in pulse.stages if stage.name not in self._names]
        if not came:
            return
        plan = self._plan()
        self._names = tuple(stage.name for stage in pulse.stages)
        for observer in self._observers:
            observer.plan_extended(run, plan, [stages[name] for name in came if name in stages])

    def _moved(self, run: str, pulse: StagePulse, stage: StageRun | None) -> None:
        """What a stage went through since the last look, in order; its own times say when."""
        before = self._seen.get(pulse.name)
        if stage is None or stage.reused or self._is_old(pulse):
            return
        now = _ON_ITS_WAY.index(pulse.state) + 1 if pulse.state in _ON_ITS_WAY else 0
        done = _ON_ITS_WAY.index(before.state) + 1 if before and before.state in _ON_ITS_WAY else 0
        again = before is not None and pulse.attempts > before.attempts > 0
        ran = pulse.state is StageState.DONE and pulse.attempts > self._told.get(pulse.name, 0)
        until = len(_ON_ITS_WAY) if ran else now
        if pulse.started:
            self._at(pulse.started.timestamp())
        as_it_began = replace(stage, attempts=stage.attempts[: self._told.get(pulse.name, 0)])
        for state in _ON_ITS_WAY[0 if again else done : until]:
            for observer in self._observers:
                observer.stage_moved(run, as_it_began, state)
        if pulse.parked and (before is None or pulse.parked != before.parked):
            for observer in self._observers:
                observer.stage_parked(run, stage)

    def _finished(self, run: str, pulse: StagePulse, stage: StageRun | None) -> None:
        if stage is None or self._is_old(pulse):
            return
        told = self._told.get(stage.name, 0)
        for attempt in stage.attempts[told:]:
            if attempt.finished is None or attempt.outcome is None:
                break
            told += 1
            for observer in self._observers:
                observer.attempt_finished(run, stage, attempt)
        self._told[stage.name] = told
        if stage.outcome is not None and self._done.get(stage.name) != len(stage.attempts):
            self._done[stage.name] = len(stage.attempts)
            if stage.finished:
                self._at(stage.finished.timestamp())
            for observer in self._observers:
                observer.stage_finished(run, stage, stage.outcome)

    def _is_old(self, pulse: StagePulse) -> bool:
        """Whether it stands as it did before the run was asked to go on."""
        before = self._before.get(pulse.name)
        return (
            before is not None
            and before.state is StageState.DONE
            and pulse.state is StageState.DONE
            and pulse.attempts == len(before.attempts)
            and pulse.finished == before.finished
        )

    def _ended(self) -> Run:
        """All of it, and its end."""
        run = self._connection.noun(Run, self._path)
        self._round(run.id)
        run = self._connection.noun(Run, self._path)
        self._at((run.finished or run.created).timestamp())
        if run.state in (RunState.DONE, RunState.PARKED):
            for observer in self._observers:
                observer.run_finished(run)
        return run

    def _plan(self) -> Plan:
        told = self._connection.get(f"{self._path}/plan")
        try:
            return Plan.from_json(told)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._connection.misunderstood(f"its plan: {error}") from error

    def _at(self, moment: float) -> None:
        self._times.shown = max(self._times.shown, moment)
