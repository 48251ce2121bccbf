"""Build with BuildKit through a docker command: the context on its standard input, its progress as the log."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from pipeline.errors import EngineError
from pipeline.executors.docker.build_client import BuildClient, build_environment
from pipeline.executors.docker.build_verdict import verdict
from pipeline.model.container import Stream
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.images import BuildFailure, BuildOutput, BuildSpec
from pipeline.settings import Settings

_FAILED = re.compile(r"^ > (\[internal\] .+?|\[[^\]]*\] (.+?)):?$", re.MULTILINE)
_SHOWN = re.compile(r"^------\n\S+:(\d+)\n-{10,}$", re.MULTILINE)
_NOISE = re.compile(rb"^#\d+ sha256:[0-9a-f]{64}$")
TAIL = 200
"""Lines of progress that are kept to tell why a build failed."""


def build_with_buildkit(
    command: BuildClient,
    context: Iterable[bytes],
    spec: BuildSpec,
    *,
    settings: Settings,
    output: BuildOutput,
    cancel: Cancellation,
) -> BuildFailure | None:
    """Build and name the image; None when it is there. Cancelling kills the command, and with it the build.

    Secrets reach the builder as open files without a name. Raises the errors of
    `Images.build`, and whatever reading the context raises.
    """
    with _open_secrets(spec) as (secrets, descriptors):
        try:
            process = subprocess.Popen(
                (command.program, *_arguments(spec), *_own_mounts(spec, settings), *secrets, "-"),
                env=build_environment(settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=descriptors,
            )
        except OSError as error:
            raise EngineError(
                f"cannot start {command.program}: {error.strerror}", hint="or write `builder: classic`"
            ) from error
        feeder = _Feeder(process, context, cancel)
        with process, cancel.calling(lambda: _end(process)):
            feeder.start()
            tail = _follow(process, output)
            code = process.wait()
            feeder.join()
    cancel.check()
    if feeder.error is not None:
        raise feeder.error
    if code == 0:
        return None
    return read_progress("\n".join(tail))


def read_progress(words: str) -> BuildFailure:
    """The failure that the last lines of a plain progress tell, as docker commands from 20.10 on write it.

    Raises what `verdict` raises.
    """
    steps = _FAILED.findall(words)
    step = (steps[-1][1] or steps[-1][0]) if steps else ""
    said = words[words.rfind("------\n") + len("------\n") :] if "------\n" in words else words[words.rfind("\n") + 1 :]
    failure = verdict(said, step)
    shown = _SHOWN.search(words)
    return replace(failure, line=int(shown[1])) if shown and not failure.line else failure


class _Feeder(threading.Thread):
    """Writes the context to the command while its progress is read; keeps what went wrong in `error`."""

    def __init__(self, process: subprocess.Popen[bytes], context: Iterable[bytes], cancel: Cancellation) -> None:
        super().__init__(name="ecluse-build-context", daemon=True)
        self._process = process
        self._context = context
        self._cancel = cancel
        self.error: Exception | None = None

    def run(self) -> None:
        """Feed until the end, until cancelled, or until nobody reads any more."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 # it was asked for
        try:
            for chunk in self._context:
                if self._cancel.cancelled:
                    break
                pipe.write(chunk)
            pipe.close()
        except BrokenPipeError:
            pass
        except Exception as error:  # noqa: BLE001 # raised again in the thread that waits
            self.error = error
            _end(self._process)
        finally:
            with suppress(OSError):
                pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and its plugins: the engine ends a build whose client is gone, hardly one that is asked to."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _follow(process: subprocess.Popen[bytes], output: BuildOutput) -> deque[str]:
    """Pass the progress on, without the lines that only hold digests; its last lines."""
    stream: IO[bytes] | None = process.stderr
    assert stream is not None  # noqa: S101 # it was asked for
    tail: deque[str] = deque(maxlen=TAIL)
    for line in stream:
        if not _NOISE.match(line.rstrip()):
            output.write(Stream.OUT, line)
        tail.append(line.decode(errors="replace").rstrip())
    return tail


def _arguments(spec: BuildSpec) -> tuple[str, ...]:
    words = ["build", "--progress", "plain", "--tag", spec.reference, "--file", spec.dockerfile]
    if spec.target:
        words += ["--target", spec.target]
    for name, value in spec.args.items():
        inherited = os.environ.get(name) == value  # proxies may hold a password: keep it off the list of processes
        words += ["--build-arg", name if inherited else f"{name}={value}"]
    for name, value in spec.labels.items():
        words += ["--label", f"{name}={value}"]
    return tuple(words)


def _own_mounts(spec: BuildSpec, settings: Settings) -> tuple[str, ...]:
    """Cache mounts of its scope alone. BuildKit joins this to their ids as a path, which `..` in an id could leave: so
    that nobody can name another scope's, it cannot be guessed either. It wins over the same argument in the file."""
    if not spec.scope:
        return ()
    name = hashlib.sha256(f"{settings.installation} {spec.scope}".encode()).hexdigest()
    return ("--build-arg", f"BUILDKIT_CACHE_MOUNT_NS={name}")


@contextmanager
def _open_secrets(spec: BuildSpec) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Each secret as a file without a name, in memory where the machine has such a folder: a killed runner leaves none.

    Gives the arguments, and the descriptors that the command inherits.
    """
    memory = Path("/dev/shm")  # noqa: S108 # files in it have no names
    with ExitStack() as files:
        words: list[str] = []
        descriptors: list[int] = []
        for name, value in spec.secrets.items():
            file = files.enter_context(tempfile.TemporaryFile(dir=memory if os.access(memory, os.W_OK) else None))
            file.write(value.encode())
            file.seek(0)
            words += ["--secret", f"id={name},src=/dev/fd/{file.fileno()}"]
            descriptors.append(file.fileno())
        yield tuple(words), tuple(descriptors)
