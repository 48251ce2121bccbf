"""Stopping a run that another process runs."""

from __future__ import annotations

from pipeline.errors import UsageError
from pipeline.model.run import Run
from pipeline.model.status import RunState
from pipeline.operations.runner_process import Ending, Life, life_of, terminate


def cancel(run: Run) -> Ending:
    """Ask the run's process to stop tidily, and return what tells its end.

    UsageError when the run is over, its process has gone or is on another host; RefusedError when it is another
    user's.
    """
    name = f"run {run.number or run.id}"
    if run.state is RunState.DONE:
        word = run.conclusion.value if run.conclusion else "done"
        raise UsageError(f"{name} is over: {word}", hint="nothing was stopped")
    if run.runner is not None and life_of(run.runner) is Life.ELSEWHERE:
        raise UsageError(f"{name} runs on host '{run.runner.host}'", hint="cancel it there")
    ending = terminate(run.runner) if run.runner is not None else None
    if ending is None:
        raise UsageError(
            f"{name} has no process any more: it was killed, or the host was restarted",
            hint="remove what it left and close it: ecluse gc --abandon",
        )
    return ending
