"""Processes of this host that carry a mark in their environment: finding what a stage started, and ending it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

MARK = "ECLUSE_PROCESS"
"""Every process of a stage inherits it: `<run>.<token>`."""


def marked(value: str) -> frozenset[int]:
    """Ids of live processes whose mark begins with the value; those of other users cannot be seen."""
    wanted = f"\0{MARK}={value}".encode()
    found = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            environment = b"\0" + Path(entry.path, "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment:
            found.add(int(entry.name))
    return frozenset(found - {os.getpid()})


def of_session(session: int) -> frozenset[int]:
    """Ids of live processes of a session, its leader not among them."""
    found = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in (b"Z", b"X"):
            found.add(int(entry.name))
    return frozenset(found - {session})


def end_all(find: Callable[[], frozenset[int]]) -> frozenset[int]:
    """Kill every process that is found, and what these start meanwhile; returns those that are another user's."""
    tried: frozenset[int] = frozenset()
    while processes := find() - tried:
        for process in processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        for process in processes:
            _await_end(process)
        tried |= processes
    return find() & tried


def kill_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group; nothing happens when nobody is left in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _await_end(process: int) -> None:
    """Wait until a killed process is gone, without polling; one that is not ours to kill is not waited for long."""
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return
    try:
        select.select([descriptor], [], [], 1.0)
    finally:
        os.close(descriptor)
