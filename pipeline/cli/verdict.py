"""Which exit status a run ends with."""

from __future__ import annotations

from typing import assert_never

from pipeline.errors import ExitCode
from pipeline.model.outcome import Effect
from pipeline.model.run import Run
from pipeline.model.status import Conclusion


def exit_code(run: Run) -> ExitCode:
    """The status of the command for a run that is done or parked; `semantics.md` has the table."""
    match run.conclusion:
        case None | Conclusion.SUCCEEDED | Conclusion.WARNED | Conclusion.SKIPPED:
            return ExitCode.SUCCEEDED
        case Conclusion.ERRORED:
            return ExitCode.ERRORED
        case Conclusion.CANCELLED:
            return ExitCode.CANCELLED
        case Conclusion.FAILED | Conclusion.TIMED_OUT | Conclusion.BLOCKED:
            effects = {stage.outcome.effect for stage in run.stages if stage.outcome}
            if Effect.ROLLED_BACK in effects:
                return ExitCode.ROLLED_BACK
            return ExitCode.REFUSED if Effect.REFUSED in effects else ExitCode.FAILED
        case _:
            assert_never(run.conclusion)
