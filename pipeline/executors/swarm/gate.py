"""Between a container on a node and whoever asked for it: once shut, nothing of that container comes through."""

from __future__ import annotations

import threading
from datetime import datetime

from pipeline.model.container import Exit, Stream
from pipeline.ports.executor import ContainerFiles, Output, Visitor


class Gate:
    """Open from when it is made until `shut`, which waits for what is just passing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shut = False

    def shut(self) -> None:
        """From now on nothing passes."""
        with self._lock:
            self._shut = True

    def output(self, behind: Output) -> Output:
        """An output behind the gate."""
        return _Output(self, behind)

    def visitor(self, behind: Visitor | None) -> Visitor | None:
        """A visitor behind the gate."""
        return None if behind is None else _Visitor(self, behind)

    @property
    def lock(self) -> threading.Lock:
        """Held while something passes."""
        return self._lock

    @property
    def is_shut(self) -> bool:
        """Whether nothing passes."""
        return self._shut


class _Output:
    """Implements `pipeline.ports.executor.Output`."""

    def __init__(self, gate: Gate, behind: Output) -> None:
        self._gate = gate
        self._behind = behind

    def write(self, stream: Stream, chunk: bytes) -> None:
        with self._gate.lock:
            if not self._gate.is_shut:
                self._behind.write(stream, chunk)

    def starting(self) -> None:
        with self._gate.lock:
            if not self._gate.is_shut:
                self._behind.starting()

    def note(self, line: str) -> None:
        with self._gate.lock:
            if not self._gate.is_shut:
                self._behind.note(line)

    def service(self, name: str) -> Output:
        return _Output(self._gate, self._behind.service(name))

    def replaying(self) -> None:
        with self._gate.lock:
            if not self._gate.is_shut:
                self._behind.replaying()

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        with self._gate.lock:
            if not self._gate.is_shut:
                self._behind.replayed(stream, lines, moment)


class _Visitor:
    """Implements `pipeline.ports.executor.Visitor`. A visit takes its time: it does not keep the gate from shutting."""

    def __init__(self, gate: Gate, behind: Visitor) -> None:
        self._gate = gate
        self._behind = behind

    def created(self, files: ContainerFiles) -> None:
        if not self._gate.is_shut:
            self._behind.created(files)

    def ended(self, files: ContainerFiles, ending: Exit) -> None:
        if not self._gate.is_shut:
            self._behind.ended(files, ending)
