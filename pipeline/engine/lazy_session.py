"""A session that is opened when the first stage really runs: a run in which all is reused never asks the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.model.container import ContainerSpec, Exit
    from pipeline.ports.cancellation import Cancellation
    from pipeline.ports.executor import Output, Session, Visitor
    from pipeline.ports.workspace import Workspace


class LazySession:
    """Implements `pipeline.ports.executor.Session` before another one."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open = open_session
        self._lock = threading.Lock()
        self._opened: Session | None = None

    def open(self) -> Session:
        """The session, opened by whoever comes first."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    @property
    def workspace(self) -> Workspace:
        """The run's layers."""
        return self.open().workspace

    def prepare(self, spec: ContainerSpec) -> None:
        """Something will run."""
        self.open().prepare(spec)

    def soonest(self, stages: Sequence[str]) -> int:
        """All the same while there is no session."""
        opened = self._opened
        return opened.soonest(stages) if opened is not None else 0

    def execute(
        self,
        spec: ContainerSpec,
        *,
        output: Output,
        cancel: Cancellation,
        stdin: bytes = b"",
        visitor: Visitor | None = None,
    ) -> Exit:
        """Run a container to its end."""
        return self.open().execute(spec, output=output, cancel=cancel, stdin=stdin, visitor=visitor)

    def release(self, stage: str) -> None:
        """Only what runs leaves something."""
        if self._opened is not None:
            self._opened.release(stage)

    def keep(self, stage: str) -> None:
        """Only what ran can be kept."""
        if self._opened is not None:
            self._opened.keep(stage)

    def park(self) -> None:
        """Nothing to leave where nothing was opened."""
        if self._opened is not None:
            self._opened.park()

    def close(self) -> None:
        """Nothing to remove where nothing was opened."""
        if self._opened is not None:
            self._opened.close()
