"""Waiting beside a parked run until a person starts one of its stages from another process."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.model.run import Run
from pipeline.model.status import RunState
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.storage.bell import Bell, ring

_BELL = "waits"
_GO_ON = "go on"


@dataclass(frozen=True, kw_only=True, slots=True)
class Summons:
    """Somebody wants the run to go on, and starts these manual stages."""

    started: frozenset[str] = frozenset()


def wait_for_start(app: Application, run: Run, *, seconds: float, cancel: Cancellation) -> Summons | None:
    """Sleep until another process hands the parked run over; None when the time has passed or `cancel` is set.

    UsageError when another process has taken the run up itself meanwhile.
    """
    heard: queue.SimpleQueue[Summons | None] = queue.SimpleQueue()
    bell = Bell(_path(app, run.id), lambda text: heard.put(_read(text)))
    try:
        with cancel.calling(lambda: heard.put(None)):
            if app.records.find_run(run.id).state is not RunState.PARKED:
                raise UsageError(
                    f"run {run.number or run.id} was taken up by another process",
                    hint=f"watch it there, or with `ecluse logs {run.number or run.id} --follow`",
                )
            summons = _next(heard, seconds)
    finally:
        bell.close()
    return summons or _next(heard, 0.0)


def handed_over(app: Application, run: Run, started: frozenset[str]) -> bool:
    """Tell the process that waits beside this parked run to go on with it; False when none waits."""
    return ring(_path(app, run.id), " ".join((_GO_ON, *sorted(started))))


def _path(app: Application, run: str) -> Path:
    folder = app.settings.home / "runs" / run
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / _BELL


def _read(text: str) -> Summons:
    return Summons(started=frozenset(text.removeprefix(_GO_ON).split()))


def _next(heard: queue.SimpleQueue[Summons | None], seconds: float) -> Summons | None:
    try:
        return heard.get(timeout=seconds) if seconds > 0 else heard.get_nowait()
    except queue.Empty:
        return None
