"""Network sandboxes: one small container a lane that keeps a network warm for the stages that join it, one by one."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating
from pipeline.executors.docker.depot import create_anchored
from pipeline.executors.docker.networks import create_network
from pipeline.executors.docker.reaper import Reaper
from pipeline.model.identity import ROLE_SANDBOX, RunIdentity

if TYPE_CHECKING:
    from docker import APIClient

# stages that follow each other in one network would else meet the other's ports in TIME_WAIT
SYSCTLS = {"net.ipv4.tcp_max_tw_buckets": "0"}


@dataclass(kw_only=True, slots=True)
class Lane:
    """One sandbox: never used by two stages at a time; at most one stage is prepared for it."""

    name: str
    started: Future[None]
    busy: bool = False
    reserved: bool = field(default=False)

    @property
    def network(self) -> str:
        """The network mode of a container that joins."""
        return f"container:{self.name}"


class Sandboxes:
    """The lanes of a run; started when a second stage comes in sight, because a lone stage is quicker without."""

    def __init__(self, client: APIClient, run: RunIdentity, *, lanes: int) -> None:
        self._client = client
        self._run = run
        self._most = lanes
        self._lock = threading.Lock()
        self._lanes: list[Lane] = []
        self._pool: ThreadPoolExecutor | None = None
        self._count = 0
        # a runner that was killed may have left sandboxes in which its stages still run
        self._mark = secrets.token_hex(2)
        self._network_made = threading.Lock()
        self._network = ""

    @property
    def wanted(self) -> bool:
        """Whether stages join sandboxes in this run at all."""
        return self._most > 0

    def reserve(self) -> Lane | None:
        """A lane for a stage that will probably run soon; None when each lane has one waiting already."""
        with self._lock:
            lane = next((item for item in self._lanes if not item.reserved), None) or self._add()
            if lane is not None:
                lane.reserved = True
            return lane

    def take(self, lane: Lane | None = None, *, start: bool) -> Lane | None:
        """Occupy this lane, or any free one, or (with `start`) a new one; None when there is none."""
        with self._lock:
            if lane is not None:
                free: Lane | None = None if lane.busy else lane
            else:
                idle = [item for item in self._lanes if not item.busy]
                free = min(idle, key=lambda item: item.reserved, default=None)
                if free is None and start:
                    free = self._add()
            if free is not None:
                free.busy = True
            return free

    def give_back(self, lane: Lane) -> None:
        """The stage has ended."""
        with self._lock:
            lane.busy = False

    def unreserve(self, lane: Lane) -> None:
        """The prepared stage runs now, or never will."""
        with self._lock:
            lane.reserved = False

    def restart(self, lane: Lane) -> None:
        """Bring a sandbox back that has died. Raises EngineError and kin."""
        with translating(f"restart sandbox {lane.name}"):
            self._client.start(lane.name)

    def close(self, kept: AbstractSet[str] = frozenset()) -> None:
        """Wait until nothing is being started any more, then remove the sandboxes, and their network behind them.

        Those that are `kept` stay, by name. What cannot be removed is left to the sweep of the run, which says it.
        """
        with self._lock:
            lanes, self._lanes = self._lanes, []
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        if not lanes:
            return
        reaper = Reaper()
        for lane in [lane for lane in lanes if lane.name not in kept]:
            reaper.submit(f"sandbox {lane.name}", partial(self._client.remove_container, lane.name, force=True, v=True))
        reaper.drain()
        if self._network not in kept:
            reaper.submit(f"network {self._network}", partial(self._client.remove_network, self._network))
        reaper.drain()
        reaper.stop()

    def drop(self, lane: Lane) -> None:
        """Use this sandbox no more: it cannot be started."""
        with self._lock:
            if lane in self._lanes:
                self._lanes.remove(lane)

    def _add(self) -> Lane | None:
        if len(self._lanes) >= self._most:
            return None
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="sandbox")
        name = self._run.name("sandbox", self._mark, str(self._count))
        self._count += 1
        lane = Lane(name=name, started=self._pool.submit(self._start, name))
        self._lanes.append(lane)
        return lane

    def _start(self, name: str) -> None:
        with self._network_made:
            if not self._network:
                self._network = create_network(self._client, self._run, "network")
        with translating(f"start sandbox {name}"):
            create_anchored(
                self._client,
                name,
                {
                    "Labels": self._run.labels(ROLE_SANDBOX),
                    # it does nothing, so it heeds no signal: an engine that stops need not wait ten seconds for it
                    "StopSignal": "SIGKILL",
                    "HostConfig": {
                        "NetworkMode": self._network,
                        "Sysctls": SYSCTLS,
                        "CapDrop": ["ALL"],
                        "SecurityOpt": ["no-new-privileges"],
                        "ReadonlyRootfs": True,
                        "LogConfig": {"Type": "none"},
                        "PidsLimit": 8,
                    },
                },
            )
            self._client.start(name)
