"""One command of this host: started in a session of its own, fed, listened to, stopped, and cleared up after."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import secrets
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.errors import EngineError
from pipeline.executors.process_host import MARK, end_all, kill_group, marked, of_session
from pipeline.model.container import Exit, Stream
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Output

_CHUNK = 1 << 18
_PIPE = 1 << 20
_AFTERWARDS = 2.0
"""Seconds to wait for output that a process of another user may still hold open after the command's end."""
NOT_FOUND = 127
NOT_EXECUTABLE = 126


class _Wake:
    """A pipe that wakes a selector from another thread, also when that is late."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        self._lock = threading.Lock()
        self._open = True

    def __call__(self) -> None:
        with self._lock:
            if self._open:
                os.write(self._writer, b"x")

    def close(self) -> None:
        with self._lock:
            self._open = False
            os.close(self.reader)
            os.close(self._writer)


class Command:
    """A started command. `run` brings it to its end; used once, by one thread."""

    def __init__(self, process: subprocess.Popen[bytes], *, mark: str, output: Output, grace: float) -> None:
        self._process = process
        self._mark = mark
        self._output = output
        self._grace = grace
        self._selector = selectors.DefaultSelector()
        self._wake = _Wake()
        self._readers = 0
        self._deadline: float | None = None
        self._stopped = False
        self._ended = False

    def run(self, stdin: bytes, cancel: Cancellation) -> Exit:
        """Feed and listen until the command has ended; nothing that it started runs on."""
        began = time.monotonic()
        leader = os.pidfd_open(self._process.pid)
        try:
            self._selector.register(self._wake.reader, selectors.EVENT_READ, self._stop)
            self._selector.register(leader, selectors.EVENT_READ, self._end)
            self._listen()
            self._feed(stdin)
            with cancel.calling(self._wake):
                self._loop()
        finally:
            self._end()
            self._selector.close()
            os.close(leader)
            self._wake.close()
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        code = self._process.wait()
        return Exit(code=128 - code if code < 0 else code, cancelled=self._stopped, seconds=time.monotonic() - began)

    def _loop(self) -> None:
        """Handle what happens until the command has ended and its output has been read to the end."""
        while not self._ended or self._readers:
            wait = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
            events = self._selector.select(wait)
            for key, _ in events:
                key.data()
            if not events and wait == 0.0:
                if self._ended:
                    return
                self._deadline = None
                kill_group(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        for pipe, stream in ((self._process.stdout, Stream.OUT), (self._process.stderr, Stream.ERR)):
            if pipe is None:
                continue
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(OSError):  # more than a user may have is refused
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
            self._selector.register(pipe, selectors.EVENT_READ, _Reader(self, pipe, stream))
            self._readers += 1

    def _feed(self, stdin: bytes) -> None:
        pipe = self._process.stdin
        if pipe is None:
            return
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, selectors.EVENT_WRITE, _Writer(self, pipe, stdin))

    def read(self, pipe: IO[bytes], stream: Stream) -> None:
        """Hand on what a pipe holds."""
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if chunk:
            self._output.write(stream, chunk)
        else:
            self._selector.unregister(pipe)
            self._readers -= 1

    def write(self, pipe: IO[bytes], rest: memoryview) -> memoryview:
        """Write what the pipe takes; close it at the end, or when nobody reads it."""
        if self._ended:
            return rest
        try:
            rest = rest[os.write(pipe.fileno(), rest[:_CHUNK]) :]
        except BlockingIOError:
            return rest
        except BrokenPipeError:
            rest = rest[:0]
        if not rest:
            self._selector.unregister(pipe)
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return rest

    def _stop(self) -> None:
        """Cancelled: ask the whole group to end, and wait for the grace period."""
        if self._ended:
            return
        self._selector.unregister(self._wake.reader)
        self._stopped = True
        self._deadline = time.monotonic() + self._grace
        kill_group(self._process.pid, signal.SIGTERM)

    def _end(self) -> None:
        """The command has ended (or we give up on it): what it left running goes; then it is reaped.

        Its number is not anybody else's before that.
        """
        if self._ended:
            return
        self._ended = True
        kill_group(self._process.pid, signal.SIGKILL)
        end_all(lambda: (of_session(self._process.pid) | marked(f"{self._mark}\0")) - {self._process.pid})
        self._deadline = time.monotonic() + _AFTERWARDS
        for key in list(self._selector.get_map().values()):
            if not isinstance(key.data, _Reader):
                self._selector.unregister(key.fileobj)


class _Reader:
    """What the selector calls for an output pipe."""

    def __init__(self, command: Command, pipe: IO[bytes], stream: Stream) -> None:
        self._command, self._pipe, self._stream = command, pipe, stream

    def __call__(self) -> None:
        self._command.read(self._pipe, self._stream)


class _Writer:
    """What the selector calls for the input pipe."""

    def __init__(self, command: Command, pipe: IO[bytes], content: bytes) -> None:
        self._command, self._pipe, self._rest = command, pipe, memoryview(content)

    def __call__(self) -> None:
        self._rest = self._command.write(self._pipe, self._rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A command as it is to be started. `mark` tells its processes from all others of this host."""

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    mark: str
    cpu: float | None
    """Cores, rounded up."""
    grace: float
    """Seconds between SIGTERM and SIGKILL."""


def run_command(command: Started, *, output: Output, cancel: Cancellation, stdin: bytes) -> Exit:
    """Start a command and bring it to its end. A command that is not there ends as in a shell, with 127."""
    name = command.arguments[0]
    try:
        with _cores(command.cpu):
            process = subprocess.Popen(
                command.arguments,
                cwd=command.folder,
                env={**command.environment, MARK: command.mark},
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
    except FileNotFoundError:
        output.note(f"{name}: not found on this host")
        return Exit(code=NOT_FOUND)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.ENOEXEC):
            output.note(f"{name}: cannot be run: {error.strerror}")
            return Exit(code=NOT_EXECUTABLE)
        raise EngineError(f"cannot start {name}: {error.strerror}") from error
    return Command(process, mark=command.mark, output=output, grace=command.grace).run(stdin, cancel)


@contextmanager
def _cores(count: float | None) -> Iterator[None]:
    """Let what this thread starts meanwhile run on so many cores only: a child inherits the choice of its thread."""
    before = os.sched_getaffinity(0)
    if count is None or math.ceil(count) >= len(before):
        yield
        return
    first = secrets.randbelow(len(before))
    ordered = sorted(before)
    os.sched_setaffinity(0, {ordered[(first + index) % len(ordered)] for index in range(max(1, math.ceil(count)))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
