"""Processes of runs that a dead worker left on this machine: they live on, and take its slots until they end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.model.run import Runner
from pipeline.model.work import WorkItem
from pipeline.operations.runner_process import Life, life_of, runner_of

_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process of this machine."""

    pid: int
    parent: int
    words: tuple[str, ...]


def left_behind(items: Iterable[WorkItem], processes: Sequence[Process], *, host: str) -> tuple[int, ...]:
    """The pids of processes that make one of these items for a worker of this host which is not their parent any more.

    A worker's name is its host, its pid and a random part.
    """
    found = []
    for item in items:
        prefix, _, _ = item.worker.rpartition("-")
        name, _, pid = prefix.rpartition("-")
        if name != host or not pid.isdecimal():
            continue
        found += [
            process.pid
            for process in processes
            if {item.id, item.worker} <= set(process.words) and process.parent != int(pid)
        ]
    return tuple(found)


class Survivors:
    """Those that lived when this worker began; `count` says how many of them still do."""

    def __init__(self, pids: Iterable[int] = ()) -> None:
        self._runners: tuple[Runner, ...] = tuple(runner for pid in pids if (runner := runner_of(pid)) is not None)

    def count(self) -> int:
        """How many slots they take; none is looked at again once it has ended."""
        self._runners = tuple(runner for runner in self._runners if life_of(runner) is Life.ALIVE)
        return len(self._runners)


def processes() -> list[Process]:
    """Those that this user may see."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                found.append(Process(pid=int(entry.name), parent=parent, words=tuple(map(os.fsdecode, words))))
    return found
