"""The folder of a run on this host: who holds it, what in it is kept, and how it goes."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pipeline.executors.process_host import end_all, marked

KEPT = "kept"
"""The folder within it that holds what is left for a person to look into."""


def held(folder: Path) -> bool:
    """Whether a living session holds the run's folder; the kernel lets go for a dead one."""
    try:
        with (folder / "held").open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def clear(folder: Path, run: str, *, kept: str = "") -> bool:
    """End a run's processes and remove its folder, but for what is kept in it; whether both went."""
    left = end_all(lambda: marked(f"{run}."))
    if kept and (folder / kept).is_dir():
        stayed = [item for item in folder.iterdir() if item.name != kept and not remove(item)]
        return not stayed and not left
    return remove(folder) and not left


def kept_since(folder: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp((folder / KEPT).stat().st_mtime, UTC)
    except OSError:
        return None


def made(folder: Path) -> bool:
    """Make a folder; False where somebody else has."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def remove(folder: Path) -> bool:
    """Remove a file or a folder, also where a stage has shut one in it; whether it is gone."""
    if not folder.is_dir():
        folder.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for place, _, _ in os.walk(folder):
            with suppress(OSError):
                Path(place).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
