"""Who watches a run: the terminal, the JSON stream, the recorder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pipeline.model.outcome import Outcome
    from pipeline.model.plan import Plan
    from pipeline.model.run import Attempt, Run, StageRun
    from pipeline.model.status import RunState, StageState


class Observer(Protocol):
    """Told of a run as it happens. Calls come from several threads, but one at a time and in order; they must be
    quick and must not raise."""

    def run_started(self, run: Run, plan: Plan) -> None:
        """The run exists; its `number` is 0 until `run_numbered`."""

    def run_numbered(self, run: Run) -> None:
        """The records gave the run its number."""

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        """The run waits (`queued`) for what `why` says, or goes on (`running`)."""

    def run_noted(self, run: str, text: str) -> None:
        """Something about the run as a whole that a person wants to read."""

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """A stage changed its state (not to done)."""

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """Masked whole lines of a stage, each ended by a newline, without times."""

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        """An attempt ended; another may follow."""

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """A stage is done."""

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None:
        """A stage emitted further stages: they and the plan with them."""

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """A stage waits for a person or a gate (`stage.parked` says for what); it is `waiting` again."""

    def run_finished(self, run: Run) -> None:
        """The run is done or parked; nothing follows."""
