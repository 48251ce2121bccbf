"""The process that owns a run: who it is, whether it still lives, and how it is asked to stop."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from pipeline.errors import RefusedError
from pipeline.model.run import Runner
from pipeline.model.value import canonical

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_CLAIM = "runner.json"


class Life(StrEnum):
    """Whether a runner lives; `elsewhere` when it is on another host, where we cannot see it."""

    ALIVE = "alive"
    GONE = "gone"
    ELSEWHERE = "elsewhere"


def this_process() -> Runner:
    """The runner that this process is."""
    pid = os.getpid()
    return Runner(host=socket.gethostname(), boot=_boot(), pid=pid, started_ticks=_started(pid) or 0)


def runner_of(pid: int) -> Runner | None:
    """The runner that a process of this machine is; None where it has ended."""
    started = _started(pid)
    return Runner(host=socket.gethostname(), boot=_boot(), pid=pid, started_ticks=started) if started else None


def claim(folder: Path, runner: Runner) -> None:
    """Note in a run's folder who runs it, for the moments before the records know; a full disk is said by others."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / _CLAIM).write_bytes(canonical(runner))


def claimant(folder: Path) -> Runner | None:
    """Who claimed a run's folder, or None."""
    try:
        known = json.loads((folder / _CLAIM).read_bytes())
        return Runner(
            host=str(known["host"]),
            boot=str(known["boot"]),
            pid=int(known["pid"]),
            started_ticks=int(known["started_ticks"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def release(folder: Path) -> None:
    """Take the claim back when the run has ended."""
    with suppress(OSError):
        (folder / _CLAIM).unlink()


def life_of(runner: Runner | None) -> Life:
    """Whether the runner of a run lives. A later process with the same pid is not it."""
    if runner is None:
        return Life.GONE
    if runner.host != socket.gethostname():
        return Life.ELSEWHERE
    if runner.boot != _boot():
        return Life.GONE
    return Life.ALIVE if _started(runner.pid) == runner.started_ticks else Life.GONE


class Ending:
    """A runner on its way to its end, held by a descriptor that no later process can take."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def wait(self, seconds: float) -> bool:
        """Sleep until the process has ended or the time has passed; True when it has ended."""
        import select

        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Let go."""
        os.close(self._descriptor)


def terminate(runner: Runner) -> Ending | None:
    """Send SIGTERM to this very process; None when it has gone. RefusedError when it belongs to another user."""
    try:
        descriptor = os.pidfd_open(runner.pid)
    except ProcessLookupError:
        return None
    try:
        if life_of(runner) is not Life.ALIVE:
            os.close(descriptor)
            return None
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    except ProcessLookupError:
        os.close(descriptor)
        return None
    except PermissionError as error:
        os.close(descriptor)
        raise RefusedError(
            f"process {runner.pid}, which runs it, belongs to another user",
            hint="ask its owner, or use that user's account",
        ) from error
    return Ending(descriptor)


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat (proc(5)), in clock ticks since boot; None for a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])
