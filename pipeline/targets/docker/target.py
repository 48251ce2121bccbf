"""The docker target: one container serves; the next one starts beside it and is handed its ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from time import monotonic

from pipeline.dockerapi import address, connect, translating
from pipeline.errors import TargetError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.strategy import StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Instance, Observed, Progress, Rollout, RolloutResult
from pipeline.settings import Settings
from pipeline.targets.docker.container_command import run_in
from pipeline.targets.docker.fence import Fence
from pipeline.targets.docker.fleet import Deployed, Fleet
from pipeline.targets.docker.handover import Handover
from pipeline.targets.docker.health import await_healthy, is_healthy
from pipeline.targets.docker.networks import OUT, WARM, Networks
from pipeline.targets.docker.options import WarmUp, docker_options
from pipeline.targets.docker.ports import refuse_taken_ports
from pipeline.targets.docker.pulling import pull
from pipeline.targets.refusing import nobody_to_ask, nothing_to_confirm, refuse_unknown
from pipeline.targets.unfit import with_log

STRATEGIES = frozenset({StrategyKind.RECREATE, StrategyKind.BLUE_GREEN})
"""Blue/green is its own way: both run at once, and the ports change hands. Recreate stops the old one first."""


class DockerTarget:
    """Implements `pipeline.ports.target.Target` on one Docker Engine. Keeps no state: all is read from the engine."""

    def __init__(self, environment: EnvironmentDefinition, settings: Settings, *, service: str = "") -> None:
        self._options = docker_options(environment)
        (host,) = self._options.hosts
        settings = replace(settings, docker_host=host.engine) if host.engine else settings
        self._environment = environment.name
        self._fleet = Fleet(
            connect(settings, host.certificates),
            installation=settings.installation,
            service=service,
            environment=environment.name,
            options=self._options,
        )
        self._fence = Fence(self._fleet)
        self._networks = Networks(self._fleet)
        self._handover = Handover(self._fleet, self._networks, engine=address(settings))

    @property
    def strategies(self) -> frozenset[StrategyKind]:
        """One container can be there before the other ends, or after; a share of the traffic needs a proxy."""
        return STRATEGIES

    def observe(self) -> Observed:
        """What the engine runs now, serving or not."""
        return Observed(instances=tuple(self._instance(item) for item in self._fleet.all() if not item.rehearsal))

    def roll_out(self, order: Rollout, *, progress: Progress, cancel: Cancellation) -> RolloutResult:
        """Start the new container, await its health, hand the ports over; the old one runs on without them."""
        refuse_unknown(order.strategy, STRATEGIES, environment=self._environment)
        self._fence.admit(order.fence)
        fleet = self._fleet.all()
        mine = _of(fleet, order.promotion)
        serving = next((item for item in fleet if self._networks.serving(item)), None)
        if mine and mine == serving:
            return self._result(True, f"{mine.name} already serves")
        if serving and self._same(serving, order):
            return self._result(True, f"{serving.name} already serves this release with this configuration")
        old = self._before(fleet, mine, serving)
        refuse_taken_ports(self._fleet)
        pull(self._fleet.client, order.image, progress=progress, cancel=cancel)
        for item in fleet:
            if item != old and (item != mine or not self._resumable(item, order)):
                progress(f"removing {item.name}, left behind by an earlier promotion")
                self._fleet.remove(item.id)
                mine = None if item == mine else mine
        self._networks.ensure()
        try:
            return self._bring_in(order, old, mine, progress=progress, cancel=cancel)
        finally:
            self._networks.drop(WARM, OUT)

    def shift(
        self, promotion: str, share: int, *, progress: Progress, cancel: Cancellation, fence: int = 0
    ) -> RolloutResult:
        """One container has all of the traffic or none."""
        self._fence.admit(fence)
        raise TargetError(
            f"environment '{self._environment}': no canary of promotion {promotion} is under way",
            hint="a docker target shares its traffic only behind a proxy: see `proxy` in docs/delivery.md",
        )

    def confirm(self, promotion: str, *, progress: Progress, fence: int = 0) -> Observed:
        """Remove every container that does not serve; they get their drain time."""
        self._fence.admit(fence)
        fleet = self._fleet.all()
        if not any(self._networks.serving(item) for item in fleet):
            raise nothing_to_confirm(promotion, environment=self._environment)
        for item in fleet:
            if not self._networks.serving(item):
                progress(f"removing {item.name}")
                self._fleet.remove(item.id, grace=self._options.drain)
                self._fleet.forget_image(item.image)
        self._networks.drop(WARM, OUT)
        return self.observe()

    def roll_back(self, promotion: str, *, progress: Progress, fence: int = 0) -> RolloutResult:
        """Give the ports back to what this promotion replaced and remove its container, from any half-way state."""
        self._fence.admit(fence)
        fleet = self._fleet.all()
        mine = _of(fleet, promotion)
        serving = next((item for item in fleet if self._networks.serving(item)), None)
        if mine is None:
            return self._revive(None if serving else self._before(fleet, None, None), promotion, progress)
        for item in fleet:
            if item.rehearsal:
                self._fleet.remove(item.id)
        old = _of(fleet, mine.replaces) if mine.replaces else None
        gap = None
        if serving and serving != mine:
            old = serving
        elif old:
            progress(f"giving the traffic back to {old.name}")
            watch = self._handover.watch() if serving else None
            try:
                if old.running:
                    self._networks.take(mine)
                else:  # it was stopped, as recreate does it: the two never run at the same time
                    self._stop(mine)
                self._networks.give_back(old)
                if watch:
                    watch.await_answer(5.0)
            finally:
                gap = watch.stop() if watch else None
        self._fleet.remove(mine.id)
        self._networks.drop(WARM, OUT)
        if old is None:
            return self._result(False, "there was no earlier version to go back to; the new one was removed")
        return self._result(True, f"{old.name} serves again", gap)

    def command(self, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        """Run a command in the serving container; 124 when it did not end in time (it is left to itself then)."""
        serving = next((item for item in self._fleet.all() if self._networks.serving(item)), None)
        if serving is None:
            raise nobody_to_ask(environment=self._environment)
        return run_in(self._fleet.client, serving.id, command, name=serving.name, timeout=timeout)

    def logs(self, promotion: str, *, since: datetime | None, limit: int) -> Mapping[str, bytes]:
        """From the engine's log of each container, both streams as they came."""
        mine = (item for item in self._fleet.all() if item.promotion == promotion and not item.rehearsal)
        return {item.name: self._fleet.log(item.id, since=since, limit=limit) for item in mine}

    def remove(self) -> None:
        """Remove all containers and networks of the environment; named volumes hold data and stay."""
        for item in self._fleet.all():
            self._fleet.remove(item.id)
            self._fleet.forget_image(item.image)
        self._networks.drop("", WARM, OUT)
        self._fence.clear()

    def _bring_in(
        self, order: Rollout, old: Deployed | None, mine: Deployed | None, *, progress: Progress, cancel: Cancellation
    ) -> RolloutResult:
        options = self._options
        if old is None:
            return self._start_serving(order, None, mine, progress=progress, cancel=cancel)
        if order.strategy and order.strategy.kind is StrategyKind.RECREATE:
            if mine:
                self._fleet.remove(mine.id)
            return self._start_serving(order, old, None, progress=progress, cancel=cancel, leave=self._stop)
        if not options.publish:
            return self._warm_and_swap(order, old, mine, OUT, progress=progress, cancel=cancel)
        if options.warm_up is not WarmUp.OUTBOUND and not (options.network and options.warm_up is WarmUp.AUTO):
            result = self._warm_and_swap(order, old, mine, WARM, progress=progress, cancel=cancel)
            if result.succeeded or options.warm_up is WarmUp.ISOLATED:
                return result
            first = result.reason.partition("\n")[0]
            progress(f"{first}; trying once more with a way out of its network")
            mine = None
        return self._rehearse_and_restart(order, old, mine, progress=progress, cancel=cancel)

    def _warm_and_swap(
        self,
        order: Rollout,
        old: Deployed,
        mine: Deployed | None,
        network: str,
        *,
        progress: Progress,
        cancel: Cancellation,
    ) -> RolloutResult:
        """The same process warms up beside the old one and is handed the ports."""
        if mine is None:
            made = self._fleet.create(order, network=self._networks.ensure(network), replaces=old.promotion)
            mine = self._known(made)
        try:
            reason = self._healthy(mine, order, progress=progress, cancel=cancel)
            if reason:
                return self._refused(mine, reason)
            self._fence.admit(order.fence)
            progress(f"{mine.name} is healthy; handing over from {old.name}")
            gap = self._handover.swap(old, self._known(mine.id))
        except BaseException:
            self._undo(order, mine, old, progress)
            raise
        if gap is not None:
            progress(f"handed over; nobody answered for {gap * 1000:.0f} ms")
        return self._result(True, f"{mine.name} serves", gap)

    def _rehearse_and_restart(
        self, order: Rollout, old: Deployed, mine: Deployed | None, *, progress: Progress, cancel: Cancellation
    ) -> RolloutResult:
        """A rehearsal without ports proves that it becomes healthy; then the real one starts with the ports."""
        if mine:
            self._fleet.remove(mine.id)
        rehearsal = self._known(
            self._fleet.create(order, network=self._networks.ensure(), replaces=old.promotion, rehearsal=True)
        )
        try:
            if self._options.network:
                self._networks.give(rehearsal)
            reason = self._healthy(rehearsal, order, progress=progress, cancel=cancel)
            if reason:
                return self._refused(rehearsal, reason)
        finally:
            self._fleet.remove(rehearsal.id)
        progress(f"the rehearsal was healthy; handing over from {old.name}")
        return self._start_serving(order, old, None, progress=progress, cancel=cancel)

    def _start_serving(
        self,
        order: Rollout,
        old: Deployed | None,
        mine: Deployed | None,
        *,
        progress: Progress,
        cancel: Cancellation,
        leave: Callable[[Deployed], None] | None = None,
    ) -> RolloutResult:
        """Start a container that has the ports from its first moment; `old` loses them just before.

        `leave` is how the old one loses them; by itself it runs on without.
        """
        watch = self._handover.watch() if old else None
        new = mine or self._known(
            self._fleet.create(order, network=self._networks.live, replaces=old.promotion if old else "")
        )
        gap = None
        try:
            if old:
                (leave or self._networks.take)(old)
            if self._options.network:
                self._networks.give(new)
            reason = self._healthy(new, order, progress=progress, cancel=cancel)
            if watch and not reason:
                watch.await_answer(5.0)
            gap = watch.stop() if watch else None
            watch = None
        except BaseException:
            self._undo(order, new, old, progress)
            raise
        finally:
            if watch:
                watch.stop()
        if reason:
            refused = self._refused(new, reason)
            self._fence.admit(order.fence)
            if old:
                self._networks.give_back(old)
            return RolloutResult(succeeded=False, reason=refused.reason, observed=self.observe(), gap=gap)
        if gap is not None:
            progress(f"handed over; nobody answered for {gap * 1000:.0f} ms")
        return self._result(True, f"{new.name} serves", gap)

    def _stop(self, old: Deployed) -> None:
        self._fleet.stop(old.id, grace=self._options.drain)
        self._networks.take(old)

    def _healthy(self, item: Deployed, order: Rollout, *, progress: Progress, cancel: Cancellation) -> str:
        if not item.running:
            progress(f"starting {item.name}")
            with translating(f"start {item.name}"):
                self._fleet.client.start(item.id)
        reason = await_healthy(
            self._fleet, item.id, timeout=order.timeout, progress=progress, cancel=cancel, now=monotonic
        )
        if not reason and not item.rehearsal:
            self._fleet.keep(item.id)
        return reason

    def _revive(self, old: Deployed | None, promotion: str, progress: Progress) -> RolloutResult:
        """Of a promotion that has nothing here: what it had stopped serves again."""
        if old is None:
            return self._result(True, f"nothing of promotion {promotion} runs")
        progress(f"giving the traffic back to {old.name}")
        self._networks.give_back(old)
        return self._result(True, f"{old.name} serves again")

    def _refused(self, item: Deployed, reason: str) -> RolloutResult:
        """Remove a container that is not fit to serve; the result carries the end of its log."""
        words = with_log(f"{item.name}: {reason}", self._fleet.tail(item.id))
        self._fleet.remove(item.id)
        return self._result(False, words)

    def _undo(self, order: Rollout, new: Deployed, old: Deployed | None, progress: Progress) -> None:
        """After an error or a cancel half-way: the new one goes, the old one serves. LeaseLostError where somebody with
        a newer lease works here by now: then it is theirs to put right."""
        self._fence.admit(order.fence)
        self._fleet.remove(new.id)
        if old and not self._networks.serving(self._known(old.id)):
            progress(f"giving the traffic back to {old.name}")
            self._networks.give_back(old)

    def _before(self, fleet: tuple[Deployed, ...], mine: Deployed | None, serving: Deployed | None) -> Deployed | None:
        """Which container the new one replaces. A runner that was killed in the gap, or somebody who stopped a
        container, leaves nobody serving: the one that was to be replaced then counts, else the newest, running ones
        first."""
        if serving:
            return serving
        others = sorted((item for item in fleet if item != mine and not item.rehearsal), key=lambda item: item.running)
        wanted = {item.replaces for item in fleet if item.replaces}
        return next((item for item in others if item.promotion in wanted), others[-1] if others else None)

    def _same(self, item: Deployed, order: Rollout) -> bool:
        return item.spec == self._fleet.spec(order) and item.health in ("", "healthy") and item.running

    def _resumable(self, item: Deployed, order: Rollout) -> bool:
        return item.spec == self._fleet.spec(order) and item.running and not item.rehearsal

    def _known(self, container: str) -> Deployed:
        item = self._fleet.look(container)
        if item is None:
            raise TargetError(
                f"environment '{self._environment}': container {container[:12]} was removed by somebody else",
                hint="deploy again",
            )
        return item

    def _result(self, succeeded: bool, reason: str, gap: float | None = None) -> RolloutResult:
        return RolloutResult(succeeded=succeeded, reason=reason, observed=self.observe(), gap=gap)

    def _instance(self, item: Deployed) -> Instance:
        serving = self._networks.serving(item)
        inside = tuple(ip for ip in item.networks.values() if ip)
        return Instance(
            name=item.name,
            image=item.image,
            release=item.release,
            promotion=item.promotion,
            serving=serving,
            healthy=is_healthy(self._fleet, item) if serving else None,
            started=item.started,
            addresses=(self._handover.reach() or inside) if serving else (),
            share=100 if serving else 0,
        )


def _of(fleet: tuple[Deployed, ...], promotion: str) -> Deployed | None:
    return next((item for item in fleet if item.promotion == promotion and not item.rehearsal), None)
