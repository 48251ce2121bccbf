"""Bringing containers in behind the proxy and taking them out of it without a request being lost."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

from pipeline.dockerapi import translating
from pipeline.errors import EngineError, TargetError
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress, Rollout
from pipeline.targets.docker.engines import Engine
from pipeline.targets.docker.fleet import LABEL_SEAT
from pipeline.targets.docker.health import await_healthy
from pipeline.targets.docker.options import DockerOptions
from pipeline.targets.docker.proxy import Proxy
from pipeline.targets.docker.replicas import Replica
from pipeline.targets.haproxy.backend import Backend, Seat, Server
from pipeline.targets.haproxy.weights import FULL
from pipeline.targets.unfit import with_log

ADDED = "ecluse-"
"""How the names of servers begin that were added."""
THREADS = 8
"""Containers that are started or removed at the same time."""
PAUSE = 0.1
AGAIN_WITHIN = 60.0
"""Seconds that an old version may take to become healthy again."""
CHECKED_WITHIN = 15.0
"""Seconds that HAProxy gets to see a container that is healthy."""
FORGOTTEN_WITHIN = 8.0
"""Seconds for HAProxy to close idle connections (`pool-purge-delay`) before a server can be deleted."""
TAKEN = ("already allocated", "already in use")


class Seating:
    """Moves containers in and out; what it is given was looked at just before."""

    def __init__(self, engines: tuple[Engine, ...], backend: Backend, options: DockerOptions, proxy: Proxy) -> None:
        self._engines = engines
        self._backend = backend
        self._options = options
        self._proxy = proxy

    def look(self) -> tuple[Replica, ...]:
        """Every container of the environment with its server."""
        servers = self._backend.servers()
        return tuple(
            Replica(deployed=item, engine=engine, server=_server_at(servers, item.seat))
            for engine in self._engines
            for item in engine.fleet.all()
        )

    def bring(
        self, order: Rollout, numbers: Sequence[int], *, replaces: str, progress: Progress, cancel: Cancellation
    ) -> str:
        """Start these replicas beside the others, without traffic; "" once all are healthy, else why one is not."""
        ports = {engine.place: self._free_ports(engine) for engine in self._engines}
        for engine in self._engines:
            engine.networks.ensure()
        with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="replica") as pool:
            made = list(
                pool.map(
                    lambda number: self._start(order, number, ports, replaces=replaces, progress=progress), numbers
                )
            )
        for engine, container in made:
            if reason := self._unfit(engine, container, timeout=order.timeout, progress=progress, cancel=cancel):
                item = engine.fleet.look(container)
                tail = engine.fleet.tail(container) if item else ""
                return with_log(f"{item.name if item else container[:12]}: {reason}", tail)
        return ""

    def share(self, weights: Mapping[str, int], *, cancel: Cancellation) -> None:
        """Give the containers with these ids their weights; each has a server before any weight changes."""
        wanted = [(item, weights[item.deployed.id]) for item in self.look() if item.deployed.id in weights]
        names: dict[str, int] = {}
        fresh: list[tuple[str, Replica]] = []
        for item, weight in wanted:
            if item.server and (not item.server.maintained or not weight):
                names[item.server.name] = weight
            elif weight:
                name = self._seat(item)
                names[name] = weight
                fresh.append((name, item))
        for name, item in fresh:
            self._await_seen(name, item, cancel=cancel)
        self._backend.share(names)

    def restore(self, replicas: Iterable[Replica], *, progress: Progress) -> bool:
        """Let these serve again with full weight, started if they were stopped; returns once requests go to them.

        One that does not come up again is said, and not waited for. False where none of them serves.
        """
        items = tuple(replicas)
        with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="replica") as pool:
            fit = list(pool.map(lambda item: self._start_again(item, progress), items))
        self.share({item.deployed.id: FULL for item in items}, cancel=Cancellation())
        awaited = frozenset(item.deployed.id for item, is_fit in zip(items, fit, strict=True) if is_fit)
        return self._await_serving(awaited, progress) < len(awaited)

    def drain(self, replicas: Iterable[Replica]) -> None:
        """No new requests for these; returns once they have none under way, or after the drain time."""
        names = {item.server.name for item in replicas if item.server and not item.server.maintained}
        if not names:
            return
        self._backend.share(dict.fromkeys(sorted(names), 0))
        self._await(lambda: not any(self._backend.sessions().get(name) for name in names), self._options.drain)

    def stop(self, replicas: Iterable[Replica]) -> None:
        """Drain these and stop their processes; they stay where they are."""
        items = tuple(replicas)
        self.drain(items)
        with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="replica") as pool:
            list(pool.map(lambda item: item.engine.fleet.stop(item.deployed.id, grace=self._options.drain), items))

    def retire(self, replicas: Iterable[Replica], *, progress: Progress) -> None:
        """Drain these, take them out of the proxy, and remove them."""
        items = tuple(replicas)
        self.drain(items)
        for item in items:
            if item.server:
                self._backend.park(item.server.name)
            progress(f"removing {item.deployed.name}")
        with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="replica") as pool:
            list(pool.map(self._remove, items))
        self._forget(item.server for item in items if item.server)

    def sweep(self) -> None:
        """Take servers out of traffic whose containers are gone, as a promoter leaves them that was killed."""
        seats = {item.deployed.seat for item in self.look()}
        orphans = [item for item in self._backend.servers() if self._ours(item) and item.seat not in seats]
        for server in orphans:
            if not server.maintained:
                self._backend.park(server.name)
        self._forget(orphans)

    def refuse_too_few(self, wanted: int) -> None:
        """TargetError unless as many declared servers are free, where only declared ones may be used."""
        if not self._proxy.servers:
            return
        free = self._free(self._backend.servers())
        if len(free) < wanted:
            raise TargetError(
                f"backend '{self._backend.name}' of HAProxy has {len(free)} free servers whose name begins with "
                f"'{self._proxy.servers}', and {wanted} are needed",
                hint="declare more (twice the replicas, so that old and new can stand side by side), or wait until "
                "those of an earlier promotion are free",
            )

    def _remove(self, item: Replica) -> None:
        item.engine.fleet.remove(item.deployed.id, grace=self._options.drain if item.deployed.running else None)

    def _start(
        self, order: Rollout, number: int, ports: Mapping[str, deque[int]], *, replaces: str, progress: Progress
    ) -> tuple[Engine, str]:
        """Start one replica on the engine that is its place, on the first port there that is really free."""
        engine = self._engines[(number - 1) % len(self._engines)]
        network, free = engine.networks.live, ports[engine.place]
        while free:
            seat = Seat(address=engine.address, port=free.popleft())
            made = engine.fleet.create_replica(
                order, network=network, replaces=replaces, replica=number, seat=seat, port=self._proxy.port
            )
            item = engine.fleet.look(made)
            if item is None:
                break
            progress(f"starting {item.name}" + (f" on {engine.place}" if engine.place else ""))
            if self._options.network:
                engine.networks.give(item)
            try:
                with translating(f"start {item.name}"):
                    engine.fleet.client.start(made)
            except EngineError as error:
                if not any(word in error.message for word in TAKEN):
                    raise
                engine.fleet.remove(made)  # a process of the host has that port
                continue
            return engine, made
        raise TargetError(
            f"no free port for replica {number} of promotion {order.promotion} on {engine.place or 'the engine'}",
            hint="give it more with `proxy.haproxy.ports`",
        )

    def _start_again(self, item: Replica, progress: Progress) -> bool:
        """Whether it is fit to serve."""
        if item.deployed.running:
            return True
        with translating(f"start {item.deployed.name}"):
            item.engine.fleet.client.start(item.deployed.id)
        container, never = item.deployed.id, Cancellation()
        if reason := self._unfit(item.engine, container, timeout=AGAIN_WITHIN, progress=progress, cancel=never):
            progress(f"{item.deployed.name}: {reason}")
        return not reason

    def _unfit(
        self, engine: Engine, container: str, *, timeout: float, progress: Progress, cancel: Cancellation
    ) -> str:
        return await_healthy(engine.fleet, container, timeout=timeout, progress=progress, cancel=cancel, now=monotonic)

    def _seat(self, item: Replica) -> str:
        """Give it a server without traffic: its own, an added one, or a declared one that is free. The name."""
        seat = item.deployed.seat
        if seat is None:
            raise TargetError(
                f"{item.deployed.name} was made without a proxy and cannot stand behind one",
                hint="remove the environment's containers and deploy again",
            )
        servers = self._backend.servers()
        if item.server:
            name = item.server.name
        elif self._proxy.servers:
            self.refuse_too_few(1)
            name = self._free(servers)[0].name
        else:
            name = _name(item)
        item.engine.fleet.keep(item.deployed.id)
        if any(server.name == name for server in servers):
            self._backend.seat(name, seat)
        else:
            self._backend.add(name, seat, check=self._proxy.check)
        return name

    def _await_seen(self, name: str, item: Replica, *, cancel: Cancellation) -> None:
        """Where HAProxy checks its servers: until it reaches this one."""

        def seen() -> bool:
            server = next((server for server in self._backend.servers() if server.name == name), None)
            return server is not None and (not server.checked or server.answered is True)

        if not self._await(seen, CHECKED_WITHIN, cancel=cancel):
            self._backend.park(name)
            raise TargetError(
                f"HAProxy does not reach {item.deployed.name} at {item.deployed.seat}",
                hint="write the address at which HAProxy reaches that engine's ports as the host's `address`, or see "
                "what its health check demands",
            )

    def _await_serving(self, containers: frozenset[str], progress: Progress) -> int:
        """HAProxy has seen a container down that was stopped: it gets nothing before the next check has passed.
        How many do not serve."""

        def deaf() -> list[Replica]:
            return [item for item in self.look() if item.deployed.id in containers and not item.serving]

        if self._await(lambda: not deaf(), CHECKED_WITHIN):
            return 0
        left = deaf()
        for item in left:
            progress(f"HAProxy does not reach {item.deployed.name} at {item.deployed.seat}")
        return len(left)

    def _forget(self, servers: Iterable[Server]) -> None:
        """Delete parked servers that were added. One that stays for an idle connection is swept later."""
        left = [server.name for server in servers if server.name.startswith(ADDED)]

        def gone() -> bool:
            for name in tuple(left):
                with suppress(TargetError):
                    self._backend.delete(name)
                    left.remove(name)
            return not left

        self._await(gone, FORGOTTEN_WITHIN)

    def _free(self, servers: Sequence[Server]) -> list[Server]:
        """Declared servers that may be used and stand for no container of ours."""
        seats = {item.deployed.seat for item in self.look() if item.server and not item.server.maintained}
        mine = [item for item in servers if item.name.startswith(self._proxy.servers)]
        return [item for item in mine if item.maintained or item.seat not in seats]

    def _ours(self, server: Server) -> bool:
        return server.name.startswith(self._proxy.servers or ADDED)

    def _free_ports(self, engine: Engine) -> deque[int]:
        """Ports that nothing has; what is stopped, of whichever environment, may want its own again."""
        with translating("list the published ports of the engine"):
            running = engine.fleet.client.containers()
            seated = engine.fleet.client.containers(all=True, filters={"label": LABEL_SEAT})
        taken = {port.get("PublicPort") for item in running for port in item.get("Ports") or ()}
        taken |= {int(item["Labels"][LABEL_SEAT].rpartition(":")[2]) for item in seated}
        first, last = self._proxy.ports
        return deque(port for port in range(first, last + 1) if port not in taken)

    def _await(self, done: Callable[[], bool], seconds: float, *, cancel: Cancellation | None = None) -> bool:
        waiting, end = cancel or Cancellation(), monotonic() + seconds
        while not done():
            if monotonic() > end:
                return False
            waiting.check()
            waiting.wait(PAUSE)
        return True


def _server_at(servers: Sequence[Server], seat: Seat | None) -> Server | None:
    """The server that stands for this seat, one in use before one that is parked."""
    found = sorted((item for item in servers if item.seat == seat), key=lambda item: item.maintained)
    return found[0] if found else None


def _name(item: Replica) -> str:
    return ADDED + re.sub(r"[^A-Za-z0-9_.-]", "_", f"{item.promotion}-{item.deployed.replica}")
