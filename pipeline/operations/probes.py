"""What a trial of the engine left because it was killed: it has no run, so that its age is that of our first sight."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.model.identity import TRIAL

WAIT = timedelta(hours=1)
"""So long after it was first seen a trial is certainly over: it takes seconds."""
_NAME = "probes.json"


def stale_probes(home: Path, runs: Iterable[str], now: datetime) -> frozenset[str]:
    """Of these trials those that were seen long ago."""
    known = _read(home)
    return frozenset(run for run in runs if run.startswith(TRIAL) and _since(known, run, now) + WAIT <= now)


def note_probes(home: Path, runs: Iterable[str], now: datetime) -> None:
    """Remember when each was first seen; those that are not there any more are forgotten."""
    known = _read(home)
    seen = {run: _since(known, run, now).isoformat() for run in runs if run.startswith(TRIAL)}
    if seen == known:
        return
    path = home / "cache" / _NAME
    draft = path.with_name(f".{_NAME}.{os.getpid()}")
    with suppress(OSError):  # only a memory: the next time is the first sight then
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_text(json.dumps(seen))
        draft.replace(path)


def _since(known: Mapping[str, str], run: str, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(known[run])
    except (KeyError, ValueError):
        return now


def _read(home: Path) -> dict[str, str]:
    try:
        return {str(run): str(time) for run, time in json.loads((home / "cache" / _NAME).read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}
