"""Files of the home folder that nobody has used for long: marks of checked files, and mirrors of repositories."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

UNUSED = timedelta(days=30)
"""So long a mark or a mirror stays without being used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleFile:
    """A file, or a mirror with the `lock` that whoever uses it holds; its time is that of its last use."""

    path: Path
    size: int
    lock: Path | None = None


def stale_files(home: Path, now: datetime) -> tuple[StaleFile, ...]:
    """What can go; nothing is changed. What cannot be looked at is left alone."""
    cache, limit = home / "cache", (now - UNUSED).timestamp()
    found = [*_old(cache / "checked", limit), *_mirrors(cache / "git", limit)]
    for folder in _listed(cache / "includes"):
        found += [*_mirrors(folder, limit), *_old(folder / "files", limit)]
    return tuple(found)


def remove_stale(item: StaleFile, now: datetime) -> bool:
    """Remove it, unless somebody uses it in this moment or has used it since; whether it went."""
    limit = (now - UNUSED).timestamp()
    with suppress(OSError):
        if item.lock is None:
            if item.path.stat().st_mtime < limit:
                item.path.unlink()
                return True
            return False
        with item.lock.open("r") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if item.lock.stat().st_mtime < limit:
                shutil.rmtree(item.path)
                return True
    return False


def _old(folder: Path, limit: float) -> Iterator[StaleFile]:
    for path in _listed(folder):
        with suppress(OSError):
            facts = path.stat()
            if path.is_file() and facts.st_mtime < limit:
                yield StaleFile(path=path, size=facts.st_size)


def _mirrors(folder: Path, limit: float) -> Iterator[StaleFile]:
    """A lock's time is that of its last use: whoever takes it opens it for writing. Locks themselves stay: another
    process may be waiting for one."""
    for lock in _listed(folder):
        mirror = lock.with_suffix("")
        if lock.suffix == ".lock" and mirror.is_dir():
            with suppress(OSError):
                if lock.stat().st_mtime < limit:
                    yield StaleFile(path=mirror, size=_size(mirror), lock=lock)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
