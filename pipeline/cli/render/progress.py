"""What is known of a run while it happens, fed by observer calls and read by what draws it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.cli.render.clean import bare
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import Conclusion, StageState

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.report import TestCase

TAIL_LINES = 40
"""How many last lines of a stage are kept for the screen and the summary."""
_TAIL_BYTES = 16 * 1024
_HEADER = b"\x1b[1;36m$ "


@dataclass(slots=True)
class StageProgress:
    """A stage as seen so far; times are in seconds of the stopwatch that the run's progress uses."""

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    manual: bool = False
    state: StageState = StageState.WAITING
    attempt: int = 0
    began: float | None = None
    seconds: float | None = None
    outcome: Outcome | None = None
    command: str = ""
    """The command whose output comes now."""
    tail: deque[bytes] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    """The last lines of the log, without their ends."""
    tests: str = ""
    failures: tuple[TestCase, ...] = ()
    parked: str = ""
    """What it waits for while nobody has to do with it but a person."""

    @property
    def conclusion(self) -> Conclusion | None:
        """How it ended, or None."""
        return self.outcome.conclusion if self.outcome else None


class RunProgress:
    """The stages of a run as they stand. Observer calls write, drawing reads; each holds `lock` meanwhile."""

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self.lock = threading.Lock()
        self._stopwatch = stopwatch
        self.run: Run | None = None
        self.stages: dict[str, StageProgress] = {}
        self.note = ""
        """What is being done about the run as a whole, such as cancelling it."""
        self.notes: list[str] = []
        """What the last words repeat."""
        self._began = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the run started."""
        return self._stopwatch() - self._began if self.run else 0.0

    def running_for(self, stage: StageProgress) -> float | None:
        """Seconds that a stage took, or has taken up to now."""
        if stage.seconds is not None or stage.began is None:
            return stage.seconds
        return self._stopwatch() - stage.began

    def run_started(self, run: Run, plan: Plan) -> None:
        """The run exists with all stages of its plan."""
        self.run = run
        self._began = self._stopwatch()
        self._know(plan)
        for stage in run.stages:
            if stage.outcome is not None:
                self.stage_finished(stage, stage.outcome)

    def plan_extended(self, plan: Plan, stages: Sequence[StageRun]) -> None:
        """A stage emitted further stages; those that waited for it may wait for them too."""
        self._know(plan)

    def stage_parked(self, stage: StageRun) -> None:
        """A stage waits for a person or a gate; its time does not run."""
        seen = self._stage(stage)
        seen.state, seen.parked, seen.began, seen.command = stage.state, stage.parked, None, ""

    def stage_moved(self, stage: StageRun, state: StageState) -> None:
        """A stage changed its state."""
        seen = self._stage(stage)
        seen.parked = ""
        if state is StageState.PREPARING:
            running = (item.number for item in stage.attempts if item.finished is None)
            seen.attempt = next(running, len(stage.attempts) + 1)
            seen.command = ""
            if seen.began is None:
                seen.began = self._stopwatch()
        seen.state = state

    def stage_output(self, stage: str, text: bytes) -> None:
        """Lines of a stage; only the last are kept, whatever their number."""
        seen = self.stages.get(stage)
        if seen is None:
            return
        header = text.rfind(_HEADER)
        if header >= 0:
            seen.command = bare(text[header : text.find(b"\n", header)].decode("utf-8", "replace"))[2:]
        rows = text[-_TAIL_BYTES:].split(b"\n")
        if rows and not rows[-1]:
            rows.pop()
        seen.tail.extend(rows[-TAIL_LINES:])

    def attempt_finished(self, stage: StageRun, attempt: Attempt) -> None:
        """An attempt ended; its tests are known."""
        seen = self._stage(stage)
        seen.attempt = attempt.number
        tests = attempt.products.tests
        seen.tests = tests.summary if tests else ""
        seen.failures = tuple(case for case in tests.failures if not case.quarantined) if tests else ()

    def stage_finished(self, stage: StageRun, outcome: Outcome) -> None:
        """A stage is done; the lines of one that went well are not needed any more."""
        seen = self._stage(stage)
        seen.state, seen.parked = StageState.DONE, ""
        seen.outcome = outcome
        if seen.tests == outcome.reason:
            seen.tests = ""
        if seen.began is not None:
            seen.seconds = self._stopwatch() - seen.began
        if outcome.conclusion.satisfies:
            seen.tail.clear()

    def waits_for(self, stage: StageProgress) -> tuple[str, ...]:
        """The stages that it needs and that are not done."""
        return tuple(
            name
            for name in stage.needs
            if (needed := self.stages.get(name)) is not None and needed.state is not StageState.DONE
        )

    def _know(self, plan: Plan) -> None:
        for planned in plan.stages:
            stage = planned.stage
            needs = tuple(need.stage for need in stage.needs)
            if stage.name not in self.stages:
                self.stages[stage.name] = StageProgress(
                    name=stage.name, kind=stage.kind, needs=needs, manual=stage.when.manual
                )

    def _stage(self, stage: StageRun) -> StageProgress:
        seen = self.stages.get(stage.name)
        if seen is None:
            seen = self.stages[stage.name] = StageProgress(name=stage.name, kind=stage.kind)
        return seen
