"""Runs a plan: asks the pure scheduler, works in threads, tells the observers."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from pipeline.engine.admission import Admissions, admitted
from pipeline.engine.announcer import Announcer
from pipeline.engine.attempts import StageEnd, StageWork
from pipeline.engine.layers import commands_spec
from pipeline.engine.schedule import SPARED, Decision, Node, Schedule
from pipeline.engine.scope import RunScope
from pipeline.model.definition import RunRule
from pipeline.model.outcome import Outcome
from pipeline.model.plan import PlannedStage
from pipeline.model.run import StageRun
from pipeline.model.status import Conclusion, StageState, run_conclusion
from pipeline.ports.cancellation import Cancellation


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finished:
    name: str
    end: StageEnd


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entered:
    """The stage has its place in its group."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refused:
    """The stage does not get into its group."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stop:
    """The run was cancelled: start nothing more."""


def nodes_of(stages: Sequence[PlannedStage]) -> tuple[Node, ...]:
    """Planned stages as the scheduler sees them."""
    return tuple(
        Node(
            name=planned.stage.name,
            needs=planned.stage.needs,
            run=planned.stage.when.run,
            skip=planned.skip.sentence if planned.skip else "",
        )
        for planned in stages
    )


class Runner:
    """Drives one run to its end, or until it parks, in the calling thread. Nothing in it polls.

    Stages that the scope knows as done already (a run taken up again) are not touched.
    """

    def __init__(self, scope: RunScope, announcer: Announcer, *, cancel: Cancellation, parallel: int) -> None:
        self._scope = scope
        self._announcer = announcer
        self._cancel = cancel
        self._parallel = parallel
        stages = scope.plan.stages
        self._planned = {planned.stage.name: planned for planned in stages}
        self._dependents: dict[str, list[str]] = {}
        self._know(stages)
        done = {stage.name: stage.conclusion for stage in scope.runs.all() if stage.conclusion is not None}
        self._schedule = Schedule(nodes_of(stages), done=done)
        self._messages: queue.SimpleQueue[_Finished | _Entered | _Refused | _Stop] = queue.SimpleQueue()
        self._ready: deque[PlannedStage] = deque()
        self._parked: dict[str, PlannedStage] = {}
        self._running: dict[str, threading.Thread] = {}
        self._prepared: set[str] = set()
        self._work = StageWork(scope, announcer, run_cancel=cancel)
        self._failed_fast = False
        self.notes: tuple[str, ...] = ()
        """What concerns the run and none of its stages, when it has ended."""
        self._queued: set[str] = set()
        self._admissions = Admissions(
            scope,
            announcer,
            run_cancel=cancel,
            entered=lambda name: self._messages.put(_Entered(name=name)),
            refused=lambda name, reason: self._messages.put(_Refused(name=name, reason=reason)),
        )

    def run(self) -> Conclusion | None:
        """Run every stage that may; the conclusion of the run, or None when it parked."""
        with (
            admitted(self._scope, self._announcer, self._cancel),
            self._cancel.calling(lambda: self._messages.put(_Stop())),
        ):
            if self._cancel.cancelled:
                self._schedule.stop(self._cancel.reason)
            self._take(self._schedule.start())
            while self._running or self._ready or self._queued or (self._parked and self._cancel.cancelled):
                self._start_ready()
                self._hear()
        self.notes = self._work.close()
        if not self._schedule.done:
            return None
        return run_conclusion(
            (stage.conclusion for stage in self._scope.runs.all() if stage.conclusion),
            cancelled=self._cancel.cancelled,
        )

    def leave(self, seconds: float) -> None:
        """After `run` was interrupted and everything was killed: let the stages under way end, for at most so long."""
        until = time.monotonic() + seconds
        for thread in tuple(self._running.values()):
            thread.join(max(0.0, until - time.monotonic()))

    def _hear(self) -> None:
        """Wait for the next message and do what follows from it."""
        match self._messages.get():
            case _Finished(name=name, end=end):
                self._running.pop(name).join()
                self._admissions.leave(name)
                self._finish(name, end)
            case _Entered(name=name):
                self._queued.discard(name)
                self._make_ready(self._planned[name])
            case _Refused(name=name, reason=reason):
                self._queued.discard(name)
                self._admissions.leave(name)
                self._end_unrun(name, reason)
            case _Stop():
                self._schedule.stop(self._cancel.reason)
                self._drop(self._cancel.reason)

    def _finish(self, name: str, end: StageEnd) -> None:
        if end.parked:
            self._park(self._planned[name], end.parked)
            return
        if end.outcome is None:
            raise AssertionError(f"stage {name} neither ended nor parked")
        if end.emitted:
            self._extend(name, end.emitted)
        self._conclude(name, end.outcome)
        self._take(self._schedule.finish(name, end.outcome.conclusion))
        self._fail_fast(name, end.outcome)

    def _take(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            planned = self._planned[decision.name]
            if decision.outcome is not None:
                self._conclude(decision.name, decision.outcome)
            elif planned.stage.when.manual and decision.name not in self._scope.started:
                self._park(planned, "a person has to start it")
            elif planned.stage.concurrency is not None:
                self._queued.add(decision.name)
                self._admissions.ask(planned, planned.stage.concurrency)
            else:
                self._make_ready(planned)

    def _make_ready(self, planned: PlannedStage) -> None:
        stage = replace(self._scope.runs.get(planned.stage.name), state=StageState.READY, parked="")
        self._announcer.stage_moved(self._scope.run_id, self._scope.runs.put(stage), StageState.READY)
        self._ready.append(planned)

    def _park(self, planned: PlannedStage, reason: str) -> None:
        """The stage holds nothing until somebody takes the run up again."""
        name = planned.stage.name
        if self._cancel.cancelled:
            self._end_unrun(name, self._cancel.reason)
            return
        self._parked[name] = planned
        stage = self._scope.runs.put(
            replace(self._scope.runs.get(name), state=StageState.WAITING, started=None, parked=reason)
        )
        self._announcer.stage_parked(self._scope.run_id, stage)

    def _extend(self, emitter: str, stages: Sequence[PlannedStage]) -> None:
        """Take in what a stage emitted."""
        scope = self._scope
        plan, widened = scope.course.extend(stages, emitter=emitter)
        scope.layers.extend([planned.stage for planned in stages])
        for planned in widened:
            scope.layers.widen(planned.stage)
            self._planned[planned.stage.name] = planned
        self._planned.update({planned.stage.name: planned for planned in stages})
        self._know(stages)
        runs = [
            scope.runs.put(
                StageRun(name=item.stage.name, kind=item.stage.kind, group=item.stage.group, cell=item.stage.cell)
            )
            for item in stages
        ]
        self._announcer.plan_extended(scope.run_id, plan, runs)
        self._take(self._schedule.add(nodes_of(stages), behind=emitter))

    def _know(self, stages: Sequence[PlannedStage]) -> None:
        for planned in stages:
            self._dependents.setdefault(planned.stage.name, [])
        for planned in stages:
            for need in dict.fromkeys(item.stage for item in planned.stage.needs):
                if need in self._dependents:
                    self._dependents[need].append(planned.stage.name)

    def _start_ready(self) -> None:
        while self._ready and len(self._running) < self._parallel:
            planned = self._take_soonest()
            name = planned.stage.name
            self._prepared.discard(name)
            thread = threading.Thread(target=self._run_stage, args=(planned,), name=f"stage-{name}", daemon=True)
            self._running[name] = thread
            thread.start()
            self._prepare_dependents(name)
        for planned in islice(self._ready, 2 * self._parallel):
            if len(self._prepared) >= self._parallel:
                break
            self._prepare(planned, expected=())

    def _take_soonest(self) -> PlannedStage:
        """The first of the ready stages, unless the session says that another one could start at once."""
        index = 0
        if len(self._ready) > 1:
            near = [planned.stage.name for planned in islice(self._ready, 2 * self._parallel)]
            index = self._scope.session.soonest(near)
        planned = self._ready[index]
        del self._ready[index]
        return planned

    def _run_stage(self, planned: PlannedStage) -> None:
        end = self._work.run(planned, also=self._admissions.cancellation(planned.stage.name))
        self._messages.put(_Finished(name=planned.stage.name, end=end))

    def _prepare_dependents(self, name: str) -> None:
        """Have the containers created of stages that can start once what runs now has succeeded."""
        for after in self._dependents[name]:
            if self._schedule.waits_for(after) > len(self._running):
                continue
            dependent = self._planned[after]
            needs = [need.stage for need in dependent.stage.needs]
            waiting = [need for need in needs if self._scope.runs.get(need).state is not StageState.DONE]
            if all(need in self._running for need in waiting):
                self._prepare(dependent, expected=waiting)

    def _prepare(self, planned: PlannedStage, *, expected: Sequence[str]) -> None:
        stage = planned.stage
        if stage.name in self._prepared or not stage.image or not stage.commands:
            return
        if planned.deferred or planned.skip or stage.services or self._work.holds_back(planned):
            return
        self._prepared.add(stage.name)
        self._scope.session.prepare(
            commands_spec(
                stage,
                pipeline=self._scope.plan.name,
                attempt=1,
                view=self._scope.layers.view(stage.name, 1, expected=expected),
                settings=self._scope.settings,
            )
        )

    def _drop(
        self, reason: str, *, spare: frozenset[RunRule] = frozenset(), among: Container[str] | None = None
    ) -> None:
        """End the stages that have not started, but for those whose `when.run` is in `spare`; only those `among`."""

        def goes(planned: PlannedStage) -> bool:
            return planned.stage.when.run not in spare and (among is None or planned.stage.name in among)

        dropped = [planned for planned in (*self._ready, *self._parked.values()) if goes(planned)]
        self._ready = deque(planned for planned in self._ready if not goes(planned))
        for planned in dropped:
            self._parked.pop(planned.stage.name, None)
            self._admissions.leave(planned.stage.name)
            self._end_unrun(planned.stage.name, reason)
        self._admissions.stop(reason, among={name for name in self._queued if goes(self._planned[name])})

    def _end_unrun(self, name: str, reason: str) -> None:
        outcome = Outcome(conclusion=Conclusion.CANCELLED, reason=reason)
        self._conclude(name, outcome)
        self._take(self._schedule.finish(name, outcome.conclusion))

    def _fail_fast(self, name: str, outcome: Outcome) -> None:
        if not outcome.conclusion.went_wrong or self._failed_fast:
            return
        reason = f"fail_fast: {name} {outcome.conclusion.value}"
        if self._scope.plan.fail_fast:
            self._failed_fast = True
            self._schedule.stop(reason, spare=SPARED)
            self._drop(reason, spare=SPARED)
            self._work.stop(reason)
            return
        stage = self._planned[name].stage
        if stage.matrix is not None and stage.matrix.fail_fast:
            cells = frozenset(
                other for other, planned in self._planned.items() if planned.stage.written == stage.written
            )
            self._schedule.stop_some(cells, reason)
            self._drop(reason, spare=SPARED, among=cells)
            self._work.stop(reason, among=cells)

    def _conclude(self, name: str, outcome: Outcome) -> None:
        runs, now = self._scope.runs, self._scope.clock.now()
        stage = runs.get(name)
        ran = stage.started is not None
        stage = runs.put(
            replace(stage, state=StageState.DONE, outcome=outcome, finished=now if ran else None, parked="")
        )
        if stage.attempts:
            self._announcer.attempt_finished(self._scope.run_id, stage, stage.attempts[-1])
        self._announcer.stage_finished(self._scope.run_id, stage, outcome)
