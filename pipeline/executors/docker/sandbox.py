"""Network sandboxes: one small container a lane that keeps a network warm for the stages that join it, one by one."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
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


AT_ONCE = os.cpu_count() or 2
"""Sandboxes that are started without such a wait: more would only hold each other up."""


@dataclass(kw_only=True, slots=True)
class Lane:
    """One sandbox: never used by two stages at a time; containers made ahead may wait for it."""

    name: str
    started: Future[None]
    busy: bool = False
    waiting: int = 0
    """Containers that will join once it is their turn."""
    turns: int = 0
    """How many have joined."""

    @property
    def network(self) -> str:
        """The network mode of a container that joins."""
        return f"container:{self.name}"


class Sandboxes:
    """The lanes of a run, as few as keep its stages going: short stages share, long ones get one more each.

    A sandbox costs as much as a container with a network of its own. So a stage waits for one that is in use as long
    as starting the last one took, on this engine and at this hour, before it gets another.
    """

    def __init__(self, client: Callable[[], APIClient], run: RunIdentity, *, lanes: int) -> None:
        self._client = client
        self._run = run
        self._most = lanes
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []
        self._pool: ThreadPoolExecutor | None = None
        self._count = 0
        # a runner that was killed may have left sandboxes in which its stages still run
        self._mark = secrets.token_hex(2)
        self._patience = 0.0
        self._network_made = threading.Lock()
        self._network = ""

    @property
    def none(self) -> bool:
        """Whether none was ever started."""
        return self._count == 0

    @property
    def any_free(self) -> bool:
        """Whether one stands empty."""
        with self._changed:
            return any(not lane.busy for lane in self._lanes)

    def open(self) -> None:
        """Begin to start the first one."""
        with self._changed:
            if not self._lanes and self._most:
                self._add()

    def reserve(self, *, now: bool) -> Lane | None:
        """The lane with the fewest before it; None where stages do not join sandboxes. `now`: a stage needs it, which
        may start one more."""
        with self._changed:
            found = min(self._lanes, key=lambda item: item.waiting + item.busy, default=None)
            if found is None or (now and found.waiting + found.busy and len(self._lanes) < AT_ONCE):
                found = self._add() or found
            if found is not None:
                found.waiting += 1
            return found

    def take(self, lane: Lane) -> bool:
        """Wait for the turn of one who has reserved; False when others last too long, or it cannot be started."""
        usable = self.usable(lane)
        with self._changed:
            try:
                while usable and lane.busy:
                    seen = lane.turns
                    if not self._changed.wait_for(lambda: not lane.busy or lane.turns != seen, self._patience):  # noqa: B023
                        return False
                lane.busy, lane.turns = usable, lane.turns + 1
                return usable
            finally:
                lane.waiting -= 1
                self._changed.notify_all()

    def take_any(self) -> Lane | None:
        """Occupy a lane that is free, or one more; None where there may be no more."""
        with self._changed:
            free = [item for item in self._lanes if not item.busy]
            lane = min(free, key=lambda item: item.waiting, default=None) or self._add()
            if lane is None:
                return None
            lane.busy, lane.turns = True, lane.turns + 1
        return lane if self.usable(lane) else None

    def give_back(self, lane: Lane) -> None:
        """The stage has ended."""
        with self._changed:
            lane.busy = False
            self._changed.notify_all()

    def unreserve(self, lane: Lane) -> None:
        """The container that waited never will join."""
        with self._changed:
            lane.waiting -= 1

    def usable(self, lane: Lane) -> bool:
        """Wait until a lane's sandbox runs; it is used no more when it cannot be started."""
        try:
            if lane.started.exception() is None:
                return True
        except CancelledError:  # the run is being ended
            return False
        self.drop(lane)
        return False

    def restart(self, lane: Lane) -> None:
        """Bring a sandbox back that has died. Raises EngineError and kin."""
        with translating(f"restart sandbox {lane.name}"):
            self._client().start(lane.name)

    def close(self, kept: AbstractSet[str] = frozenset()) -> None:
        """Wait until nothing is being started any more, then remove the sandboxes, and their network behind them.

        Those that are `kept` stay, by name. What cannot be removed is left to the sweep of the run, which says it.
        """
        with self._changed:
            self._most = 0
            lanes, self._lanes = self._lanes, []
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        if not lanes:
            return
        client, reaper = self._client(), Reaper()
        for lane in [lane for lane in lanes if lane.name not in kept]:
            reaper.submit(f"sandbox {lane.name}", partial(client.remove_container, lane.name, force=True, v=True))
        reaper.drain()
        if self._network not in kept:
            reaper.submit(f"network {self._network}", partial(client.remove_network, self._network))
        reaper.drain()
        reaper.stop()

    def drop(self, lane: Lane) -> None:
        """Use this sandbox no more: it cannot be started."""
        with self._changed:
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
        client = self._client()
        with self._network_made:
            if not self._network:
                self._network = create_network(client, self._run, "network")
        began = time.monotonic()
        with translating(f"start sandbox {name}"):
            create_anchored(
                client,
                name,
                {
                    "Labels": self._run.labels(ROLE_SANDBOX),
                    # it does nothing, so it heeds no signal: an engine that stops need not wait ten seconds for it
                    "StopSignal": "SIGKILL",
                    "HostConfig": {
                        "NetworkMode": self._network,
                        "Sysctls": SYSCTLS,
                        "CapDrop": ["ALL"],
                        # nine bytes of machine code need no filter, nor shared memory: each costs a start
                        "SecurityOpt": ["no-new-privileges", "seccomp=unconfined"],
                        "IpcMode": "none",
                        "ReadonlyRootfs": True,
                        "LogConfig": {"Type": "none"},
                        "PidsLimit": 8,
                    },
                },
            )
            client.start(name)
        self._patience = time.monotonic() - began
