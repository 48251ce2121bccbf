"""Logs that grow on another machine: a copy here of what the shared store has of them by now."""

from __future__ import annotations

import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.run import Run
from pipeline.model.status import RunState
from pipeline.operations.log_carrier import ROOT, block_name, clear
from pipeline.operations.log_window import LogPaper, paper_of
from pipeline.operations.logs import COPIES
from pipeline.ports.application import Application
from pipeline.ports.storage import Shelf

_LOG = logging.getLogger(__name__)


def copy_of(home: Path, run: str, log: str) -> Path:
    """Where the copy of a log lies."""
    return home / COPIES / run / log


def paper_here(app: Application, run: Run, stage: str, *, attempt: int = 0, service: str = "") -> LogPaper:
    """As `paper_of`; where the log grows on another machine, a copy of it, brought up to date."""
    paper = paper_of(app.settings.home, run, stage, attempt=attempt, service=service)
    if paper.digest or paper.ended or paper.path.exists() or app.shared is None:
        return paper
    copy = copy_of(app.settings.home, run.id, paper.path.name)
    return replace(paper, path=copy) if refreshed(app, copy) else paper


def refreshed(app: Application, copy: Path) -> str:
    """Bring a copy up to date; the age of the log, "" where there is nothing of it. What the store does not answer now
    it may answer the next time."""
    if app.shared is None:
        return ""
    try:
        return bring(app.shared, copy, f"{ROOT}{copy.parent.name}/{copy.name}")
    except (EcluseError, OSError) as error:
        _LOG.warning("a log of another machine cannot be read now: %s", error)
        return ""


def bring(shelf: Shelf, copy: Path, log: str) -> str:
    """Add to the copy what is new in the shared store; the age of the log. Safe for several threads and processes."""
    if not copy.parent.is_dir() and not _read(shelf, f"{log}/age"):
        return ""
    with _state(copy) as known:
        age, size = _parts(known.read_text())
        if age and (grown := _added(shelf, copy, log, age, size)) > size:
            known.write_text(f"{age} {grown}")
            return age
        current = _read(shelf, f"{log}/age").decode()
        if current and current != age:
            copy.write_bytes(b"")
            known.write_text(f"{current} {_added(shelf, copy, log, current, 0)}")
        return current or age


def forget_copies(app: Application) -> None:
    """Remove copies, and blocks in the shared store, of logs whose runs are over: whoever sent them may have died."""
    for folder in (app.settings.home / COPIES).glob("*"):
        if _is_over(app, folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    if app.shared is not None:
        for run in sorted({kept.name.split("/")[1] for kept in app.shared.names(ROOT)}):
            if _is_over(app, run):
                clear(app.shared, f"{ROOT}{run}/")


def _is_over(app: Application, run: str) -> bool:
    try:
        return app.records.find_run(run).state is RunState.DONE
    except NotFoundError:
        return True


def _added(shelf: Shelf, copy: Path, log: str, age: str, size: int) -> int:
    """The size of the copy with all blocks that follow; what a process that was killed had half written goes."""
    with copy.open("ab") as file:
        file.truncate(size)
        while block := _read(shelf, block_name(log, age, size)):
            file.write(block)
            file.flush()
            size += len(block)
    return size


def _read(shelf: Shelf, name: str) -> bytes:
    chunks = shelf.fetch(name)
    return b"" if chunks is None else b"".join(chunks)


@contextmanager
def _state(copy: Path) -> Iterator[Path]:
    """The file beside the copy that says its age and size, locked."""
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = copy.with_suffix(".age")
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def _parts(known: str) -> tuple[str, int]:
    age, _, size = known.partition(" ")
    return (age, int(size)) if size.isdecimal() else ("", 0)
