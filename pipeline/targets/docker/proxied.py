"""The docker target behind a proxy: containers on one or several engines, exchanged without losing a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from time import monotonic

from pipeline.errors import TargetError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Instance, Observed, Progress, Rollout, RolloutResult
from pipeline.settings import Settings
from pipeline.targets.docker.container_command import run_in
from pipeline.targets.docker.engines import engines_of
from pipeline.targets.docker.health import is_healthy
from pipeline.targets.docker.options import docker_options
from pipeline.targets.docker.pulling import pull
from pipeline.targets.docker.replicas import Replica, Standing, shares, standing
from pipeline.targets.docker.seating import Seating
from pipeline.targets.haproxy.backend import SHARING, Backend
from pipeline.targets.haproxy.runtime import Runtime
from pipeline.targets.haproxy.weights import FULL, weights
from pipeline.targets.refusing import nobody_to_ask, nothing_to_confirm, refuse_unknown

BY_ITSELF = Strategy(kind=StrategyKind.ROLLING)


class ProxiedTarget:
    """Implements `pipeline.ports.target.Target`. Keeps no state: all is read from the engines and the proxy.

    The old version's containers run on without traffic until `confirm`, whatever the strategy (recreate stops them),
    so that going back takes one line to the proxy.
    """

    def __init__(self, environment: EnvironmentDefinition, settings: Settings, *, service: str = "") -> None:
        self._options = docker_options(environment)
        proxy = self._options.proxy
        if proxy is None:
            raise TargetError(f"environment '{environment.name}': no proxy", hint="write `proxy` in its target")
        self._environment = environment.name
        self._engines = engines_of(self._options, settings, service=service, environment=environment.name)
        self._backend = Backend(Runtime(proxy.socket), proxy.backend)
        self._seating = Seating(self._engines, self._backend, self._options, proxy)

    @property
    def strategies(self) -> frozenset[StrategyKind]:
        """All of them."""
        return frozenset(StrategyKind)

    def observe(self) -> Observed:
        """What the engines run, and what the proxy gives to it."""
        replicas = self._seating.look()
        share = shares(replicas)
        return Observed(instances=tuple(self._instance(item, share) for item in replicas))

    def roll_out(self, order: Rollout, *, progress: Progress, cancel: Cancellation) -> RolloutResult:
        """Bring the new version in by the order's strategy; rolling, one at a time, where it names none."""
        cancel.check()
        strategy = order.strategy or BY_ITSELF
        self._refuse(strategy)
        self._admit(order.fence)
        found = standing(self._seating.look(), order.promotion)
        if self._already(found.mine, strategy):
            return self._result(True, f"promotion {order.promotion} already serves")
        if not found.mine and self._same(found.base, order):
            return self._result(True, f"{found.base[0].promotion} already serves this release with this configuration")
        for engine in self._engines:
            pull(engine.fleet.client, order.image, progress=progress, cancel=cancel)
        found = self._clear(found, order, progress)
        self._seating.refuse_too_few(self._options.replicas - sum(1 for item in found.mine if item.server))
        try:
            result = self._bring_in(order, strategy, found, progress=progress, cancel=cancel)
        except BaseException:
            self._undo(order, progress)
            raise
        return result

    def shift(
        self, promotion: str, share: int, *, progress: Progress, cancel: Cancellation, fence: int = 0
    ) -> RolloutResult:
        """New weights. A canary that is not well any more is not given more; it stays as it is."""
        self._admit(fence)
        cancel.check()
        found = standing(self._seating.look(), promotion)
        replaces = {item.deployed.replaces for item in found.mine}
        under_way = found.mine and (share == 100 or any(item.promotion in replaces for item in found.base))
        if not under_way:
            raise TargetError(
                f"environment '{self._environment}': no canary of promotion {promotion} is under way",
                hint=f"`ecluse history {self._environment}` tells what was rolled out",
            )
        if reason := _unwell(found.mine):
            return self._result(False, reason)
        self._share(found, share, cancel=cancel)
        progress(f"promotion {promotion} gets {share}% of the traffic")
        return self._result(True, f"promotion {promotion} gets {share}% of the traffic", 0.0)

    def confirm(self, promotion: str, *, progress: Progress, fence: int = 0) -> Observed:
        """Give all traffic to the new version, and remove what does not serve once it has drained."""
        self._admit(fence)
        found = standing(self._seating.look(), promotion)
        stays = found.mine if any(item.serving for item in found.mine) else found.base
        if not any(item.serving for item in stays):
            raise nothing_to_confirm(promotion, environment=self._environment)
        goes = [item for item in (*found.mine, *found.base, *found.rest) if item not in stays]
        weak = [item for item in stays if item.deployed.running and item.weight != FULL]
        self._seating.share({item.deployed.id: FULL for item in weak}, cancel=Cancellation())
        self._retire(goes, progress)
        return self.observe()

    def roll_back(self, promotion: str, *, progress: Progress, fence: int = 0) -> RolloutResult:
        """Give the traffic back to what this promotion replaced, then remove its own, from any half-way state."""
        self._admit(fence)
        found = standing(self._seating.look(), promotion)
        if not found.mine and (not found.base or any(item.serving for item in found.base)):
            self._seating.sweep()
            return self._result(True, f"nothing of promotion {promotion} runs")
        began = monotonic()
        kept = any(item.serving for item in found.mine) and all(item.deployed.running for item in found.base)
        served = kept or any(item.serving for item in found.base)
        before, serves = found.base[0].promotion if found.base else "", False
        if before:
            progress(f"giving the traffic back to {before}")
            serves = self._restore(found, progress)
        gap = 0.0 if served else monotonic() - began
        self._retire(found.mine, progress)
        if not before:
            return self._result(False, "there was no earlier version to go back to; the new one was removed")
        reason = f"{before} serves again" if serves else f"{before} does not come up again; the new one was removed"
        return self._result(serves, reason, gap)

    def command(self, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        """Run a command in a container of the newest version that serves."""
        serving = [item for item in self._seating.look() if item.serving]
        if not serving:
            raise nobody_to_ask(environment=self._environment)
        replaced = {item.deployed.replaces for item in serving}
        newest = next((item for item in serving if item.promotion not in replaced), serving[-1])
        return run_in(
            newest.engine.fleet.client, newest.deployed.id, command, name=newest.deployed.name, timeout=timeout
        )

    def logs(self, promotion: str, *, since: datetime | None, limit: int) -> Mapping[str, bytes]:
        """From the engines' logs of each container, both streams as they came."""
        mine = (item for item in self._seating.look() if item.promotion == promotion)
        return {item.deployed.name: item.engine.fleet.log(item.deployed.id, since=since, limit=limit) for item in mine}

    def remove(self) -> None:
        """Remove all containers and networks of the environment, and what the proxy had of them."""
        self._retire(self._seating.look(), lambda _: None)
        for engine in self._engines:
            engine.networks.drop("")
            engine.fence.clear()

    def _bring_in(
        self, order: Rollout, strategy: Strategy, found: Standing, *, progress: Progress, cancel: Cancellation
    ) -> RolloutResult:
        """Where there is nothing to replace, every strategy is the same."""
        match strategy.kind if found.base else StrategyKind.BLUE_GREEN:
            case StrategyKind.ROLLING:
                return self._rolling(order, strategy, found, progress=progress, cancel=cancel)
            case StrategyKind.RECREATE:
                began = monotonic()
                progress(f"stopping {found.base[0].promotion}")
                self._seating.stop(found.base)
                result = self._beside(order, found, 100, progress=progress, cancel=cancel)
                gap = monotonic() - began
                return RolloutResult(
                    succeeded=result.succeeded, reason=result.reason, observed=result.observed, gap=gap
                )
            case StrategyKind.CANARY:
                first = strategy.steps[0] if strategy.steps else 100
                return self._beside(order, found, first, progress=progress, cancel=cancel)
            case StrategyKind.BLUE_GREEN:
                return self._beside(order, found, 100, progress=progress, cancel=cancel)

    def _beside(
        self, order: Rollout, found: Standing, share: int, *, progress: Progress, cancel: Cancellation
    ) -> RolloutResult:
        """All replicas of the new version beside the old one, then this share of the traffic."""
        reason = self._start(order, found, self._missing(found), progress=progress, cancel=cancel)
        if reason:
            return self._refused(order, reason, progress)
        self._admit(order.fence)
        found = standing(self._seating.look(), order.promotion)
        self._share(found, share, cancel=cancel)
        return self._took_over(order, found, share, progress)

    def _rolling(
        self, order: Rollout, strategy: Strategy, found: Standing, *, progress: Progress, cancel: Cancellation
    ) -> RolloutResult:
        """`batch` new ones come in, as many old ones get no more traffic, and so on; `pause` between."""
        missing, total = self._missing(found), self._options.replicas
        batches = [missing[at : at + strategy.batch] for at in range(0, len(missing), strategy.batch)] or [[]]
        for batch in batches:
            reason = self._start(order, found, batch, progress=progress, cancel=cancel)
            if reason:
                return self._refused(order, reason, progress)
            self._admit(order.fence)
            found = standing(self._seating.look(), order.promotion)
            stay = len(found.base) * (total - len(found.mine)) // total
            weight = {item.deployed.id: FULL for item in found.mine}
            weight |= {item.deployed.id: FULL if at < stay else 0 for at, item in enumerate(found.base)}
            self._seating.share(weight, cancel=cancel)
            progress(f"{len(found.mine)} of {total} replicas of {order.promotion} serve")
            if batch is not batches[-1]:
                cancel.wait(strategy.pause)
                cancel.check()
                found = standing(self._seating.look(), order.promotion)
                if reason := _unwell(found.mine):
                    return self._refused(order, reason, progress)
        return self._took_over(order, found, 100, progress)

    def _start(
        self, order: Rollout, found: Standing, numbers: Sequence[int], *, progress: Progress, cancel: Cancellation
    ) -> str:
        replaces = found.base[0].promotion if found.base else ""
        return self._seating.bring(order, numbers, replaces=replaces, progress=progress, cancel=cancel)

    def _share(self, found: Standing, share: int, *, cancel: Cancellation) -> None:
        new, old = weights(share, new=len(found.mine), old=len(found.base))
        weight = {item.deployed.id: new for item in found.mine} | {item.deployed.id: old for item in found.base}
        self._seating.share(weight, cancel=cancel)

    def _took_over(self, order: Rollout, found: Standing, share: int, progress: Progress) -> RolloutResult:
        part = "" if share == 100 or not found.base else f" {share}% of the traffic"
        progress(f"{len(found.mine)} replicas of {order.promotion} serve{part}")
        gap = 0.0 if found.base else None
        return self._result(True, f"promotion {order.promotion} serves{part}", gap)

    def _refused(self, order: Rollout, reason: str, progress: Progress) -> RolloutResult:
        self._undo(order, progress)
        return self._result(False, reason)

    def _undo(self, order: Rollout, progress: Progress) -> None:
        """The old version has all traffic again, and nothing of the new one is left. LeaseLostError where somebody with
        a newer lease works here by now: then it is theirs to put right."""
        self._admit(order.fence)
        found = standing(self._seating.look(), order.promotion)
        self._restore(found, progress)
        self._retire(found.mine, progress, forget=False)

    def _restore(self, found: Standing, progress: Progress) -> bool:
        """The base serves again: whether it does. Where it was stopped, as recreate does it, the new one ends first."""
        if not all(item.deployed.running for item in found.base):
            self._seating.stop(item for item in found.mine if item.deployed.running)
        return self._seating.restore(found.base, progress=progress)

    def _clear(self, found: Standing, order: Rollout, progress: Progress) -> Standing:
        """Remove what earlier promotions left behind, and those of ours that cannot be gone on with."""
        spec = self._engines[0].fleet.spec(order)
        broken = [item for item in found.mine if item.deployed.spec != spec or not item.deployed.running]
        if (found.rest or broken) and not any(item.serving for item in found.base):
            self._seating.restore(found.base, progress=progress)
        self._retire([*found.rest, *broken], progress)
        mine = tuple(item for item in found.mine if item not in broken)
        return Standing(mine=mine, base=found.base, rest=())

    def _retire(self, replicas: Sequence[Replica], progress: Progress, *, forget: bool = True) -> None:
        self._seating.retire(replicas, progress=progress)
        self._seating.sweep()
        for item in replicas if forget else ():
            item.engine.fleet.forget_image(item.deployed.image)

    def _missing(self, found: Standing) -> list[int]:
        there = {item.deployed.replica for item in found.mine}
        return [number for number in range(1, self._options.replicas + 1) if number not in there]

    def _already(self, mine: Sequence[Replica], strategy: Strategy) -> bool:
        """Whether this promotion was brought in before; a canary with whatever share it has by now."""
        complete = len(mine) == self._options.replicas and all(item.serving for item in mine)
        if not complete or strategy.kind is StrategyKind.CANARY:
            return complete
        return not any(item.serving for item in self._seating.look() if item.promotion != mine[0].promotion)

    def _same(self, base: Sequence[Replica], order: Rollout) -> bool:
        spec = self._engines[0].fleet.spec(order)
        fit = [item for item in base if item.serving and item.deployed.spec == spec]
        return len(fit) == len(base) == self._options.replicas and not _unwell(fit)

    def _refuse(self, strategy: Strategy) -> None:
        refuse_unknown(strategy, self.strategies, environment=self._environment)
        self._backend.refuse_without_rights()
        if strategy.kind is not StrategyKind.CANARY:
            return
        algorithm = self._backend.algorithm()
        if algorithm and algorithm not in SHARING:
            raise TargetError(
                f"environment '{self._environment}': backend '{self._backend.name}' of HAProxy balances by "
                f"'{algorithm}', which does not share the traffic by weight",
                hint="write `balance roundrobin` or `balance random` in that backend, or use another strategy",
            )

    def _admit(self, fence: int) -> None:
        for engine in self._engines:
            engine.fence.admit(fence)

    def _result(self, succeeded: bool, reason: str, gap: float | None = None) -> RolloutResult:
        return RolloutResult(succeeded=succeeded, reason=reason, observed=self.observe(), gap=gap)

    def _instance(self, item: Replica, share: dict[str, int]) -> Instance:
        deployed = item.deployed
        return Instance(
            name=deployed.name,
            image=deployed.image,
            release=deployed.release,
            promotion=deployed.promotion,
            serving=item.serving,
            healthy=is_healthy(item.engine.fleet, deployed) if item.serving else None,
            started=deployed.started,
            addresses=(str(deployed.seat),) if item.serving and deployed.seat else (),
            share=share[deployed.promotion],
            place=item.engine.place,
        )


def _unwell(replicas: Sequence[Replica]) -> str:
    """Why one of them is not fit to have more traffic; "" when all are."""
    for item in replicas:
        deployed = item.deployed
        if not deployed.running or deployed.restarts:
            return f"{deployed.name} ended with exit {deployed.exit_code}"
        if deployed.health == "unhealthy":
            return f"{deployed.name}: its health check says unhealthy"
        if item.server and not item.server.maintained and not item.server.up:
            return f"{deployed.name}: HAProxy does not get an answer from it"
    return ""
