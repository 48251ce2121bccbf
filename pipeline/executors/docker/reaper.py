"""Removing what is no longer needed, behind the scenes, so that no stage waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from pipeline.dockerapi import status_of, translating
from pipeline.errors import EcluseError, EngineError

WORKERS = 3
GONE = 404
BUSY = 409


class Reaper:
    """A few threads that remove; `drain` waits for them and says what stayed. May be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: list[Future[None]] = []

    def submit(self, what: str, remove: Callable[[], object]) -> None:
        """Remove later; `what` names it should it fail. What is already gone counts as removed."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="reaper")
            self._jobs.append(self._pool.submit(removing, what, remove))

    def drain(self) -> tuple[EcluseError, ...]:
        """Wait for everything asked so far; returns what could not be removed."""
        with self._lock:
            jobs, self._jobs = self._jobs, []
        errors = [error for job in jobs if isinstance(error := job.exception(), EcluseError)]
        return tuple(errors)

    def stop(self) -> None:
        """End the threads, after `drain`."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)


def removing(what: str, remove: Callable[[], object]) -> None:
    """Remove now; nothing happens when it is gone. Raises EngineError and kin."""
    with translating(f"remove {what}"):
        try:
            remove()
        except Exception as error:
            status = status_of(error)
            if status == GONE or (status == BUSY and "already in progress" in str(getattr(error, "explanation", ""))):
                return
            raise


def complain(errors: tuple[EcluseError, ...]) -> None:
    """Raise one EngineError for all that stayed; nothing happens without errors."""
    if errors:
        raise EngineError(
            "; ".join(error.message for error in errors),
            hint="`ecluse gc` tries again; `docker ps -a` shows what holds it",
        )
