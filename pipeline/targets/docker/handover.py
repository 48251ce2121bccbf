"""Handing the traffic of an environment from one container to another, and back when that fails."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.targets.docker.fleet import Deployed, Fleet
from pipeline.targets.docker.gap import GapWatch, watched
from pipeline.targets.docker.networks import Networks

ANSWER_WITHIN = 5.0
"""Seconds that the new one gets to answer on the published port before the measurement ends."""


def host_of(address: str) -> str:
    """Where ports of the engine at this address are reached from here."""
    parts = urlsplit(address)
    return parts.hostname or "127.0.0.1" if parts.scheme in ("tcp", "http", "https", "ssh") else "127.0.0.1"


class Handover:
    """Moves traffic between containers that already run; both keep running."""

    def __init__(self, fleet: Fleet, networks: Networks, *, engine: str) -> None:
        self._fleet = fleet
        self._networks = networks
        self._engine = engine

    def reach(self) -> tuple[str, ...]:
        """`host:port` of each published TCP port, as seen from here."""
        return tuple(f"{self._host(item.address)}:{item.host}" for item in self._fleet.options.publish
                     if item.protocol == "tcp")  # fmt: skip

    def watch(self) -> GapWatch | None:
        """Begin to measure at the first published TCP port, where there is one."""
        return watched(self._fleet.options.publish, host_of=self._host)

    def swap(self, old: Deployed, new: Deployed) -> float | None:
        """Take the ports from `old` and give them to `new`; the gap in seconds, where it can be measured.

        Without published ports the new one joins before the old one leaves: no gap. When `new` cannot have the
        ports, the error leaves half-way: the caller removes `new` and gives the ports back.
        """
        if not self._fleet.options.publish:
            self._networks.give(new)
            self._networks.take(old)
            self._networks.leave_warm(self._fleet.look(new.id) or new)
            return 0.0
        watch = self.watch()
        try:
            self._networks.take(old)
            self._networks.give(new)
            if watch:
                watch.await_answer(ANSWER_WITHIN)
        finally:
            gap = watch.stop() if watch else None
        self._networks.leave_warm(self._fleet.look(new.id) or new)
        return gap

    def _host(self, address: str) -> str:
        return host_of(self._engine) if address in ("0.0.0.0", "::") else address  # noqa: S104 - a comparison
