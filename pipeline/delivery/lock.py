"""One promotion at a time in an environment: a lock of this machine that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import RecordsError
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress

PAUSE = 0.2
"""Seconds between two tries; the kernel's own waiting could not be cancelled."""


class EnvironmentLock:
    """Held from `take` to `release`, by the kernel's `flock`: a killed holder leaves it free."""

    def __init__(self, folder: Path, *, service: str, environment: str) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{service}-{environment}")
        self._path = folder / f"{name}.lock"
        self._environment = environment
        self._handle: int | None = None

    def take(
        self, holder: str, *, progress: Progress, cancel: Cancellation, look: Callable[[], None] = lambda: None
    ) -> None:
        """Wait until nobody else promotes into the environment. CancelledError when cancelled meanwhile.

        `look` is called between tries, and may raise.
        """
        handle = self._open()
        said = False
        try:
            while not _try(handle):
                if not said:
                    other = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another run"
                    progress(f"environment '{self._environment}' is being deployed to by {other}; waiting")
                    said = True
                look()
                cancel.wait(PAUSE)
                cancel.check()
            os.ftruncate(handle, 0)
            os.pwrite(handle, holder.encode(), 0)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle

    def release(self) -> None:
        """Let the next one in; nothing happens when it is not held."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RecordsError(
                f"cannot write {self._path}: {error.strerror}",
                hint="make the folder writable, or point ECLUSE_HOME to one that is",
            ) from error


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
