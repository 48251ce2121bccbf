"""Putting a test into quarantine: a line in a file of the repository, to be committed and reviewed like code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pipeline.errors import StorageError, UsageError
from pipeline.model.quarantine import Quarantine, read_quarantine

_HEAD = """\
# Tests whose failure does not count for a time. Every entry says until when, and why; see docs/reports.md.
quarantine:
"""


def entries_of(path: Path, *, name: str) -> Sequence[Quarantine]:
    """What the file holds; nothing where there is no such file. UsageError for one that is wrong."""
    try:
        return read_quarantine(path.read_bytes(), file=name)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error


def quarantine(path: Path, *, name: str, test: str, until: date, reason: str, stage: str = "") -> Quarantine:
    """Append an entry; the rest of the file stays as it is.

    UsageError when the test is in quarantine already, or the file is of a form that cannot be continued.
    """
    known = entries_of(path, name=name)
    same = next((item for item in known if (item.test, item.stage) == (test, stage)), None)
    if same is not None:
        raise UsageError(f"{test} is in quarantine until {same.until}", hint=f"change that day in {same.place}")
    text = path.read_text() if path.exists() else _HEAD
    fields = {"test": test, "until": until.isoformat(), "reason": reason, **({"stage": stage} if stage else {})}
    lines = [
        f"{key}: {value if key == 'until' else json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()
    ]
    longer = text + ("" if text.endswith("\n") else "\n") + "  - " + "\n    ".join(lines) + "\n"
    try:
        entry = read_quarantine(longer.encode(), file=name)[len(known) :][-1]
    except (UsageError, IndexError):
        entry = None
    if entry is None or (entry.test, entry.until, entry.reason) != (test, until, reason):
        raise UsageError(
            f"{name} does not end in a list that can be continued", hint="add the entry by hand: " + ", ".join(lines)
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(longer)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", hint="check its permissions") from error
    return entry
