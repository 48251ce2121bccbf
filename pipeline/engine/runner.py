"""Runs a plan: asks the pure scheduler, works in threads, tells the observers."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from pipeline.engine.announcer import Announcer
from pipeline.engine.attempts import StageWork
from pipeline.engine.layers import commands_spec
from pipeline.engine.schedule import Decision, Node, Schedule
from pipeline.engine.scope import RunScope
from pipeline.model.definition import RunRule
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.status import Conclusion, StageState, run_conclusion
from pipeline.ports.cancellation import Cancellation

SPARED_ON_FAILURE = frozenset({RunRule.ALWAYS, RunRule.ON_FAILURE})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finished:
    name: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stop:
    """The run was cancelled: start nothing more."""


def nodes_of(plan: Plan) -> tuple[Node, ...]:
    """The plan as the scheduler sees it."""
    return tuple(
        Node(
            name=planned.stage.name,
            needs=planned.stage.needs,
            run=planned.stage.when.run,
            skip=planned.skip.sentence if planned.skip else "",
        )
        for planned in plan.stages
    )


class Runner:
    """Drives one run to its end in the calling thread. Nothing in it polls."""

    def __init__(self, scope: RunScope, announcer: Announcer, *, cancel: Cancellation, parallel: int) -> None:
        self._scope = scope
        self._announcer = announcer
        self._cancel = cancel
        self._parallel = parallel
        self._planned = {planned.stage.name: planned for planned in scope.plan.stages}
        self._dependents = _dependents(scope.plan.stages)
        self._schedule = Schedule(nodes_of(scope.plan))
        self._messages: queue.SimpleQueue[_Finished | _Stop] = queue.SimpleQueue()
        self._ready: deque[PlannedStage] = deque()
        self._running: dict[str, threading.Thread] = {}
        self._prepared: set[str] = set()
        self._work = StageWork(scope, announcer, run_cancel=cancel)
        self._failed_fast = False

    def run(self) -> Conclusion:
        """Run every stage that may; the conclusion of the run."""
        with self._cancel.calling(lambda: self._messages.put(_Stop())):
            self._take(self._schedule.start())
            while self._running or not self._schedule.done:
                self._start_ready()
                match self._messages.get():
                    case _Finished(name=name, outcome=outcome):
                        self._running.pop(name).join()
                        self._conclude(name, outcome)
                        self._take(self._schedule.finish(name, outcome.conclusion))
                        self._fail_fast(name, outcome)
                    case _Stop():
                        self._schedule.stop(self._cancel.reason)
                        self._drop_ready(self._cancel.reason)
        return run_conclusion(
            (stage.conclusion for stage in self._scope.runs.all() if stage.conclusion),
            cancelled=self._cancel.cancelled,
        )

    def _take(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if decision.outcome is None:
                stage = self._scope.runs.put(replace(self._scope.runs.get(decision.name), state=StageState.READY))
                self._announcer.stage_moved(self._scope.run_id, stage, StageState.READY)
                self._ready.append(self._planned[decision.name])
            else:
                self._conclude(decision.name, decision.outcome)

    def _start_ready(self) -> None:
        while self._ready and len(self._running) < self._parallel:
            planned = self._take_soonest()
            name = planned.stage.name
            self._prepared.discard(name)
            thread = threading.Thread(target=self._run_stage, args=(planned,), name=f"stage-{name}", daemon=True)
            self._running[name] = thread
            thread.start()
            self._prepare_dependents(name)
        for planned in self._ready:
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
        outcome = self._work.run(planned)
        self._messages.put(_Finished(name=planned.stage.name, outcome=outcome))

    def _prepare_dependents(self, name: str) -> None:
        """Have the containers created of stages that can start once what runs now has succeeded."""
        for dependent in self._dependents[name]:
            needs = [need.stage for need in dependent.stage.needs]
            waiting = [need for need in needs if self._scope.runs.get(need).state is not StageState.DONE]
            if all(need in self._running for need in waiting):
                self._prepare(dependent, expected=waiting)

    def _prepare(self, planned: PlannedStage, *, expected: Sequence[str]) -> None:
        stage = planned.stage
        if stage.name in self._prepared or not stage.image or not stage.commands:
            return
        if planned.deferred or planned.skip or stage.services:
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

    def _drop_ready(self, reason: str, *, spare: frozenset[RunRule] = frozenset()) -> None:
        kept = deque(planned for planned in self._ready if planned.stage.when.run in spare)
        dropped = [planned for planned in self._ready if planned.stage.when.run not in spare]
        self._ready = kept
        for planned in dropped:
            outcome = Outcome(conclusion=Conclusion.CANCELLED, reason=reason)
            self._conclude(planned.stage.name, outcome)
            self._take(self._schedule.finish(planned.stage.name, outcome.conclusion))

    def _fail_fast(self, name: str, outcome: Outcome) -> None:
        if not self._scope.plan.fail_fast or not outcome.conclusion.went_wrong or self._failed_fast:
            return
        self._failed_fast = True
        reason = f"fail_fast: {name} {outcome.conclusion.value}"
        self._schedule.stop(reason, spare=SPARED_ON_FAILURE)
        self._drop_ready(reason, spare=SPARED_ON_FAILURE)
        self._work.stop(reason)

    def _conclude(self, name: str, outcome: Outcome) -> None:
        runs, now = self._scope.runs, self._scope.clock.now()
        stage = runs.get(name)
        ran = stage.started is not None
        stage = runs.put(replace(stage, state=StageState.DONE, outcome=outcome, finished=now if ran else None))
        if stage.attempts:
            self._announcer.attempt_finished(self._scope.run_id, stage, stage.attempts[-1])
        self._announcer.stage_finished(self._scope.run_id, stage, outcome)


def _dependents(stages: Sequence[PlannedStage]) -> Mapping[str, tuple[PlannedStage, ...]]:
    found: dict[str, list[PlannedStage]] = {planned.stage.name: [] for planned in stages}
    for planned in stages:
        for need in dict.fromkeys(item.stage for item in planned.stage.needs):
            if need in found:
                found[need].append(planned)
    return {name: tuple(items) for name, items in found.items()}
