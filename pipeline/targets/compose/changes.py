"""Changing the service of a compose project: what is looked at first, the change itself, and whether it serves then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from time import monotonic

from pipeline.dockerapi import translating
from pipeline.errors import TargetError
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress
from pipeline.targets.compose.options import ComposeOptions
from pipeline.targets.compose.program import Compose
from pipeline.targets.compose.project import Member, Neighbour, Project, neighbours
from pipeline.targets.compose.remembered import Remembered, remember
from pipeline.targets.compose.version import Version, layer
from pipeline.targets.docker.fleet import Fleet
from pipeline.targets.docker.gap import GapWatch, watched
from pipeline.targets.docker.health import await_healthy
from pipeline.targets.docker.pulling import pull
from pipeline.targets.unfit import with_log

COMPOSE_WITHIN = 300.0
"""Seconds that one call of compose may take: stopping, making and starting, without waiting for health."""
NEIGHBOUR_WITHIN = 120.0
ANSWER_WITHIN = 5.0
_TEMPORARY = re.compile(r"^[0-9a-f]{12}_")
"""How compose begins the name of a container while it makes the next one."""
ANY = ("", "0.0.0.0", "::")  # noqa: S104 - what the engine writes for every address


class Changes:
    """What compose is asked to do for one environment."""

    def __init__(self, fleet: Fleet, project: Project, compose: Compose, *, options: ComposeOptions, host: str) -> None:
        self._fleet = fleet
        self._project = project
        self._compose = compose
        self._options = options
        self._host = host
        self._remembered: tuple[Remembered, ...] = ()

    def remember(self, members: Sequence[Member]) -> None:
        """How these containers were made: this process can make them again, whatever becomes of the compose file."""
        self._remembered = tuple(remember(self._fleet.client, item) for item in members if item.serving)

    def prepare(self, *, secrets: bool, progress: Progress, cancel: Cancellation) -> None:
        """Have compose read the files, and start neighbours that do not run. TargetError before the service is
        touched."""
        service = self._options.service
        resolved = self._compose.resolved()
        known = resolved.get("services") or {}
        if service not in known:
            raise TargetError(
                f"environment '{self._fleet.environment}': compose project '{self._options.project}' "
                f"has no service '{service}'",
                hint="it has: " + (", ".join(sorted(known)) or "none"),
            )
        if secrets and known[service].get("secrets"):
            raise TargetError(
                f"environment '{self._fleet.environment}': compose service '{service}' has `secrets` in its file, and "
                "the environment has secrets, too",
                hint="both would be /run/secrets: leave one of them out",
            )
        missing = self._project.missing(neighbours(resolved, service))
        if not missing:
            return
        progress("starting " + ", ".join(item.name for item in missing) + ", which it depends on")
        self._compose.up(*(item.name for item in missing), cancel=cancel, timeout=COMPOSE_WITHIN)
        for item in missing:
            self._await_neighbour(item, progress, cancel)

    def bring(
        self,
        version: Version,
        before: Version | None,
        members: Sequence[Member],
        *,
        timeout: float,
        progress: Progress,
        cancel: Cancellation,
        revive: bool = False,
    ) -> tuple[str, float | None]:
        """Have compose make the service as this version, and await its health. Why it is not fit to serve ("" = it
        is), and for how long nobody served, where somebody did before. `revive`: its old containers will do."""
        served = [item for item in members if item.serving]
        watch = self._watch(served)
        began = monotonic()
        gap: float | None = None
        try:
            progress(f"compose makes {self._options.service}" + (" again" if members else ""))
            added = layer(self._options.service, version, before, owner=self._fleet.labels, labels=self._options.labels)
            if not (revive and self.revive(version, progress=progress)):
                if "@sha256:" in version.image:  # of an earlier version somebody may have removed it
                    pull(self._fleet.client, version.image, progress=progress, cancel=cancel)
                self._compose.up(self._options.service, added=added, cancel=cancel, timeout=COMPOSE_WITHIN)
            reason = self._unfit(version, timeout=timeout, progress=progress, cancel=cancel)
            spent = monotonic() - began
            if watch and not reason:
                watch.await_answer(ANSWER_WITHIN)
        finally:
            gap = watch.stop() if watch else None
        return reason, (spent if gap is None else gap) if served else None

    def revive(self, version: Version, *, progress: Progress) -> bool:
        """Start containers of this version that compose has stopped and not yet removed, as they were. Where it has
        removed them, make those again that are remembered; False where there are none."""
        client = self._fleet.client
        there = [item for item in self._project.members() if item.promotion == version.promotion]
        if not there:
            return self._made_again(version, progress)
        for item in there:
            name = _TEMPORARY.sub("", item.deployed.name)
            if not item.serving:
                progress(f"starting {name}, which was stopped")
            with translating(f"start container {item.deployed.name}"):
                if name != item.deployed.name:
                    client.rename(item.deployed.id, name)
                client.start(item.deployed.id)
        return bool(there)

    def _made_again(self, version: Version, progress: Progress) -> bool:
        mine = [item for item in self._remembered if item.promotion == version.promotion]
        if mine:
            for left in self._project.members():
                self._fleet.remove(left.deployed.id, grace=self._options.drain)
        for item in mine:
            progress(f"making {item.name} again as it was")
            item.make(self._fleet.client)
        return bool(mine)

    def reach(self, member: Member) -> tuple[str, ...]:
        """`host:port` of each published TCP port, as seen from here."""
        return tuple(
            dict.fromkeys(
                f"{self._seen(item.address)}:{item.host}" for item in member.published if item.protocol == "tcp"
            )
        )

    def _unfit(self, version: Version, *, timeout: float, progress: Progress, cancel: Cancellation) -> str:
        """Why one of its containers cannot serve, with the end of its log; what compose left of others is removed."""
        members = self._project.members()
        mine = [item for item in members if item.promotion == version.promotion]
        if not mine:
            return f"compose has made no container of {self._options.service}"
        for item in members:
            if item not in mine:
                self._fleet.remove(item.deployed.id, grace=self._options.drain)
        for item in mine:
            reason = await_healthy(
                self._fleet, item.deployed.id, timeout=timeout, progress=progress, cancel=cancel, now=monotonic
            )
            if reason:
                return with_log(f"{item.deployed.name}: {reason}", self._fleet.tail(item.deployed.id))
        return ""

    def _await_neighbour(self, neighbour: Neighbour, progress: Progress, cancel: Cancellation) -> None:
        began = monotonic()
        for container in self._project.containers(neighbour.name):
            if not neighbour.once:
                reason = await_healthy(
                    self._fleet, container, timeout=NEIGHBOUR_WITHIN, progress=progress, cancel=cancel, now=monotonic
                )
                self._refuse_lame(neighbour, reason)
            while neighbour.once and (seen := self._fleet.look(container)) and seen.running:
                cancel.check()
                if monotonic() - began > NEIGHBOUR_WITHIN:
                    self._refuse_lame(neighbour, f"it did not end within {NEIGHBOUR_WITHIN:g}s")
                cancel.wait(0.1)
        if neighbour.once and self._project.missing((neighbour,)):
            self._refuse_lame(neighbour, "it did not end well")

    def _refuse_lame(self, neighbour: Neighbour, reason: str) -> None:
        if reason:
            raise TargetError(
                f"environment '{self._fleet.environment}': compose service '{neighbour.name}', which "
                f"'{self._options.service}' depends on, does not serve: {reason}",
                hint=f"see `docker compose -p {self._options.project} logs {neighbour.name}`; nothing was changed",
            )

    def _watch(self, served: Sequence[Member]) -> GapWatch | None:
        """Begin to knock at the first published TCP port of what serves, where there is one."""
        return watched((item for member in served for item in member.published), host_of=self._seen)

    def _seen(self, address: str) -> str:
        return self._host if address in ANY else address
