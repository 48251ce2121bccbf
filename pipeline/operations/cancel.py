"""Stopping a run that another process runs, and ending one that no process runs any more."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.model.outcome import Outcome, cancelled
from pipeline.model.run import Run
from pipeline.model.status import RunState
from pipeline.operations.closing import close_run
from pipeline.operations.run_file import remove_run_file
from pipeline.operations.runner_process import Ending, Life, claimant, life_of, release, terminate, this_process
from pipeline.ports.application import Application

REASON = "cancelled by a person while no process ran it"
_ASKED = "cancelled-by"


def cancel(app: Application, run: Run, *, by: str = "") -> Ending | None:
    """Ask the run's process to stop tidily, and return what tells its end; `by` is the person who asks.

    None where it has none any more (killed, or parked): the run is closed here and what it left is removed.
    UsageError when the run is over or its process is on another host; RefusedError when that is another user's, or
    when somebody takes the run up in this moment; EngineError names what could not be removed.
    """
    name = f"run {run.number or run.id}"
    if run.state is RunState.DONE:
        word = run.conclusion.value if run.conclusion else "done"
        raise UsageError(f"{name} is over: {word}", hint="nothing was stopped")
    if run.state is not RunState.PARKED and run.runner is not None:
        if life_of(run.runner) is Life.ELSEWHERE:
            raise UsageError(f"{name} runs on host '{run.runner.host}'", hint="cancel it there")
        _note(app.settings.home / "runs" / run.id / _ASKED, by)
        ending = terminate(run.runner)
        if ending is not None:
            return ending
    end_run(app, run, cancelled(f"cancelled by {by} while no process ran it" if by else REASON))
    return None


def end_run(app: Application, run: Run, ended: Outcome) -> None:
    """Close a run that no process runs, as `ended` says, and remove what it left here."""
    app.records.reopen_run(run, this_process())
    close_run(app, run, ended)
    _clear(app, run)


def asked_by(home: Path) -> str:
    """`cancelled by <person>` where somebody asked for the end of the run that this process runs, else ""."""
    mine = this_process()
    for path in (home / "runs").glob(f"*/{_ASKED}"):
        if claimant(path.parent) == mine:
            with suppress(OSError):
                who = path.read_text(errors="replace").strip()
                path.unlink()
                return f"cancelled by {who}" if who else ""
    return ""


def _note(path: Path, by: str) -> None:
    """Say who asks, for the process to find; where that cannot be written, it only knows of the signal."""
    if by and path.parent.is_dir():
        with suppress(OSError):
            path.write_text(f"{by}\n")


def _clear(app: Application, run: Run) -> None:
    """Remove what the run has on its executor, and its folder."""
    folder = app.settings.home / "runs" / run.id
    remove_run_file(folder)
    release(folder)
    executor = app.executor(run.executor)
    left = executor.leftovers(app.settings.installation)
    executor.remove(tuple(item for item in left if item.run == run.id and item.kind != "image"))
    with suppress(OSError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
