"""Processes that we started: remembered by pid, start time and boot, so that no other process is ever stopped."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from .progress import privileged


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """One process, and no other: a pid alone is used again sooner or later. `start` is in clock ticks since boot."""

    pid: int
    start: int
    boot: str


def boot() -> str:
    """Changes with every start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """Who has this pid now; None for nobody and for one that has ended and was not yet collected."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Identity(pid=pid, start=int(fields[19]), boot=boot())


def command_line(pid: int) -> list[str]:
    """The process's arguments, empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def remember(file: Path, pid: int) -> Identity | None:
    """Writes down the identity of a process that we have just started."""
    identity = identify(pid)
    if identity:
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(identity)))
        part.replace(file)
    return identity


def recall(file: Path) -> Identity | None:
    """The remembered process if it is still the same one and alive; forgets it otherwise."""
    try:
        identity = Identity(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        identity = None
    if identity and identify(identity.pid) == identity:
        return identity
    file.unlink(missing_ok=True)
    return None


def wait(identity: Identity, *, seconds: float) -> bool:
    """Waits for the end of a process that need not be our child; True if it has ended in time."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        if identify(identity.pid) != identity:
            return True
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def stop(identity: Identity, *, grace: float) -> None:
    """SIGTERM, `grace` seconds, SIGKILL; as root where the process is root's."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        if identify(identity.pid) != identity:
            return
        try:
            os.kill(identity.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            subprocess.run([*privileged(), "kill", f"-{number.value}", str(identity.pid)], capture_output=True)
        if wait(identity, seconds=seconds):
            return
