"""`runs/<id>/run.json`: what a run was asked to be, for the moments before the records know it and after a kill."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.model.plan import Plan
from pipeline.model.run import Run
from pipeline.model.value import from_value, to_value
from pipeline.operations.runner_process import Life, claimant, life_of

_NAME = "run.json"
SPOKEN_OF = timedelta(hours=24)
"""So long the next run of a repository speaks of one that was interrupted: until `gc` may close it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFile:
    """A run as it began (without stages: they follow from the plan), its plan, and how many stages at a time."""

    run: Run
    plan: Plan
    parallel: int


def write_run_file(folder: Path, file: RunFile) -> None:
    """Keep it, seen as a whole or not at all, by its owner alone. StorageError where it cannot be written."""
    body = {
        "run": to_value(replace(file.run, stages=())),
        "plan": file.plan.to_json(),
        "parallel": file.parallel,
    }
    draft = folder / f".{_NAME}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(json.dumps(body, separators=(",", ":")))
        draft.replace(folder / _NAME)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise StorageError(
            f"cannot write {folder / _NAME}: {error.strerror}",
            hint="check the space and the permissions of that folder",
        ) from error


def read_run_file(folder: Path) -> RunFile | None:
    """What was kept; None where there is none, or none that this version can read."""
    try:
        body = json.loads((folder / _NAME).read_bytes())
        return RunFile(
            run=from_value(Run, body["run"]), plan=Plan.from_json(body["plan"]), parallel=int(body["parallel"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remove_run_file(folder: Path) -> None:
    """The run is over, and recorded."""
    with suppress(OSError):
        (folder / _NAME).unlink()


def interrupted(home: Path) -> tuple[RunFile, ...]:
    """Runs of this host whose process has gone without having ended them, newest first. Asks no database."""
    try:
        folders = sorted((home / "runs").iterdir(), reverse=True)
    except OSError:
        return ()
    gone = (folder for folder in folders if (folder / _NAME).exists() and _abandoned(folder))
    return tuple(file for folder in gone if (file := read_run_file(folder)) is not None)


def _abandoned(folder: Path) -> bool:
    """A run that parked has taken its claim back; a running one has a claim of a living process."""
    runner = claimant(folder)
    return runner is not None and life_of(runner) is Life.GONE
