"""The moves by which a version comes in and goes out: in place, all at once, by a canary, and back again.

The service that the file names is changed in place, by the swarm's own update; how it was before is kept beside it,
and a canary is a service of its own. So each half-way state says by itself what came before and what was meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pipeline.errors import TargetError
from pipeline.model.identity import LABEL_INSTALLATION, LABEL_PROMOTION
from pipeline.model.strategy import StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress, Rollout
from pipeline.targets.swarm.cluster import Cluster, Service
from pipeline.targets.swarm.convergence import Goal
from pipeline.targets.swarm.keepsakes import Keepsakes
from pipeline.targets.swarm.options import SwarmOptions
from pipeline.targets.swarm.ownership import LABEL_FENCE, LABEL_PART, Ownership, fence_of, promotion_of, with_labels
from pipeline.targets.swarm.scene import Scene, look
from pipeline.targets.swarm.spec import (
    Kept,
    Pace,
    Part,
    Spec,
    Wanted,
    at_pace,
    pace_back,
    pace_of,
    replicas_of,
    service_name,
    service_spec,
    with_replicas,
)
from pipeline.targets.swarm.watch import Watch


def instances_for(share: int, replicas: int) -> int:
    """How many of so many instances come nearest to a share in percent, with at least one of each version below 100."""
    return replicas if share >= 100 else min(max(1, round(replicas * share / 100)), replicas - 1)


class Changes:
    """The moves of one environment. Each returns "" when it went well, else why not (one line, then a log's tail)."""

    def __init__(self, cluster: Cluster, keepsakes: Keepsakes, *, ownership: Ownership, options: SwarmOptions) -> None:
        self._cluster = cluster
        self._keepsakes = keepsakes
        self._ownership = ownership
        self._options = options

    def scene(self) -> Scene:
        """What is there now."""
        return look(self._cluster, self._ownership, self._options)

    def watch(self, scene: Scene, *, timeout: float, progress: Progress, cancel: Cancellation) -> Watch:
        """Begin to measure a move."""
        serving = any(scene.running(item) for item in scene.services)
        settle = self._options.settle
        return Watch(self._cluster, settle=settle, timeout=timeout, serving=serving, progress=progress, cancel=cancel)

    def networks(self) -> tuple[str, ...]:
        """Ids of the networks that the file names; TargetError where the swarm does not have one."""
        return tuple(self._cluster.network(name) for name in self._options.networks)

    def remember(self, order: Rollout, scene: Scene) -> None:
        """Keep how the service was before this order, which is how it goes back.

        Where an earlier promotion was left half-way, that is how the service was before that one.
        """
        main = scene.main
        if main is None or promotion_of(main) == order.promotion:
            return
        kept = self._keepsakes.all_before()
        untouched = next((spec for spec in kept.values() if _promotion_in(spec) == promotion_of(main)), None)
        if untouched is None and not scene.is_whole(main):
            untouched = kept.get(promotion_of(main))
        self._keepsakes.remember(order.promotion, untouched or main.spec)

    def clear_way(self, order: Rollout, scene: Scene, progress: Progress) -> None:
        """Remove what earlier promotions left beside the service."""
        for service in (scene.canary, scene.rehearsal):
            if service and (promotion_of(service) != order.promotion or service is scene.rehearsal):
                progress(f"removing {service.name}, left behind by an earlier promotion")
                self._cluster.remove(service)

    def in_place(self, order: Rollout, scene: Scene, watch: Watch) -> str:
        """Make the service itself the new version, or make it at all."""
        main = scene.main
        if main and order.strategy and order.strategy.kind is StrategyKind.RECREATE and not self._is_mine(main, order):
            stopped = self._cluster.update(main, with_replicas(main.spec, 0))
            if reason := watch.until_ended(stopped):
                return reason
            main = stopped
        pace = pace_of(order.strategy, self._options)
        spec = service_spec(self._wanted(order, Part.MAIN, pace=pace))
        made = self._cluster.update(main, spec) if main else self._cluster.create(spec)
        return watch.until(
            [_goal(made)], [made], trial=order.promotion, known=scene.ended(), widen=self._widening(made, pace)
        )

    def rehearse(self, order: Rollout, scene: Scene, watch: Watch, progress: Progress) -> str:
        """All instances beside the old ones, without ports and without the service's name, until they are healthy."""
        made = self._cluster.create(service_spec(self._wanted(order, Part.REHEARSAL)))
        try:
            goal = Goal(service=made.id, promotion=order.promotion, replicas=self._options.replicas)
            reason = watch.until([goal], [made], trial=order.promotion, known=scene.ended())
        finally:
            self._cluster.remove(made)
        if not reason:
            progress(f"all {self._options.replicas} instances of the rehearsal were healthy; changing over")
        return reason

    def start_canary(self, order: Rollout, scene: Scene, watch: Watch, share: int) -> str:
        """A few instances of the new version beside fewer of the old one."""
        main = scene.main
        if main is None:
            raise TargetError("a canary needs a version beside it", hint="deploy a first version")
        count = instances_for(share, self._options.replicas)
        if scene.canary and promotion_of(scene.canary) == order.promotion:
            count = max(count, scene.canary.replicas)
        spec = service_spec(self._wanted(order, Part.CANARY, replicas=count))
        return self._move_share(scene, main, spec, count, watch)

    def move_canary(self, scene: Scene, watch: Watch, share: int) -> str:
        """Another number of instances for a canary that runs."""
        if scene.main is None or scene.canary is None:
            raise TargetError("there is no canary under way", hint="deploy with the strategy `canary` first")
        count = instances_for(share, self._options.replicas)
        return self._move_share(scene, scene.main, with_replicas(scene.canary.spec, count), count, watch)

    def fold(self, promotion: str, scene: Scene, watch: Watch) -> str:
        """The canary's version becomes the service's own, in place; then its instances move over, and it goes."""
        main, canary = scene.main, scene.canary
        if main and canary and promotion_of(main) != promotion:
            spec = with_replicas(self._as_main(canary, pace_of(None, self._options)), main.replicas)
            main = self._cluster.update(main, spec)
            widen = self._widening(main, pace_of(None, self._options))
            goals = [_goal(main), _goal(canary)]
            if reason := watch.until(goals, [main, canary], trial=promotion, known=scene.ended(), widen=widen):
                return reason
            main = self._cluster.service(main.id) or main
        while main and canary:
            step = 1 if self._options.holds_ports else canary.replicas
            if self._options.holds_ports:
                canary = self._scaled(canary, canary.replicas - step)
                if reason := watch.until([_goal(main), _goal(canary)], [main, canary]):
                    return reason
            main = self._scaled(main, min(main.replicas + step, self._options.replicas))
            if reason := watch.until([_goal(main)], [main, canary], trial=promotion, known=scene.ended()):
                return reason
            if canary.replicas == 0 or not self._options.holds_ports:
                self._cluster.remove(canary)
                canary = None
        return ""

    def restore(self, promotion: str, scene: Scene, watch: Watch, progress: Progress) -> tuple[bool, str]:
        """Put the service back as it was before this promotion, from any half-way state: whether it serves, and
        words. What was kept for the promotion is removed."""
        before, main = self._keepsakes.before(promotion), scene.main
        beside = [item for item in (scene.canary, scene.rehearsal) if item and promotion_of(item) == promotion]
        if before is None:
            return self._leave_nothing(promotion, scene, beside)
        if main and promotion_of(main) not in (promotion, _promotion_in(before)):
            self._drop(beside)
            self._keepsakes.forget(promotion)
            return True, f"promotion {promotion_of(main)} has taken over since; nothing of promotion {promotion} runs"
        fence = str(max([fence_of(item) for item in scene.services], default=0))
        spec = with_labels(before, {LABEL_FENCE: fence, LABEL_INSTALLATION: self._ownership.installation})
        pace = pace_back(self._options, replicas_of(before))
        spec = at_pace(spec, pace, settle=self._options.settle)
        if main is None or not _same_service(main.spec, spec) or not scene.is_whole(main) or beside:
            progress(f"giving {service_name(self._options, Part.MAIN)} back to promotion {_promotion_in(before)}")
        back = self._cluster.update(main, spec) if main else self._cluster.create(spec)
        self._drop(beside)
        missing = watch.as_far_as_it_goes(
            _goal(back),
            back,
            widen=self._widening(back, pace),
            again=lambda running: self._ask_anew(back, running, watch),
        )
        self._keepsakes.forget(promotion)
        words = f"{back.name} serves promotion {promotion_of(back)} again"
        return not missing or not missing.startswith("not there"), f"{words}: {missing}" if missing else words

    def _widening(self, service: Service, pace: Pace) -> Callable[[int], Service]:
        """Lets an update that is under way take more instances at a time; each call adds to the one before."""
        seen, batch = service, pace.batch or service.replicas

        def widen(more: int) -> Service:
            nonlocal seen, batch
            batch += more
            seen = self._cluster.update(
                seen, at_pace(seen.spec, replace(pace, batch=batch), settle=self._options.settle)
            )
            return seen

        return widen

    def _ask_anew(self, service: Service, running: int, watch: Watch) -> None:
        """Have tasks that wait for a node made again: the swarm forgets those that are older than the service."""
        seen = self._cluster.service(service.id)
        if seen and seen.replicas == service.replicas:
            fewer = self._scaled(seen, running)
            watch.until_placed(fewer)
            self._scaled(fewer, service.replicas)

    def _leave_nothing(self, promotion: str, scene: Scene, beside: list[Service]) -> tuple[bool, str]:
        main = scene.main
        mine = main is not None and promotion_of(main) == promotion
        self._drop([*beside, *([main] if main and mine else [])])
        self._keepsakes.forget(promotion)
        if mine:
            return False, "there was no earlier version to go back to; the new one was removed"
        return True, f"nothing of promotion {promotion} runs"

    def _move_share(self, scene: Scene, main: Service, spec: Spec, count: int, watch: Watch) -> str:
        """Give the canary `count` instances and the service the rest; whoever needs room waits until it is there."""
        rest = self._options.replicas - count
        made = scene.canary

        def grow() -> str:
            nonlocal made
            made = self._cluster.update(made, spec) if made else self._cluster.create(spec)
            return watch.until([_goal(made)], [made, main], trial=promotion_of(made), known=scene.ended())

        def shrink() -> str:
            now = self._scaled(main, rest)
            return watch.until([_goal(now)], [now, *([made] if made else [])])

        steps: list[Callable[[], str]] = [shrink, grow] if self._options.holds_ports else [grow, shrink]
        return next((reason for step in steps if (reason := step())), "")

    def _wanted(self, order: Rollout, part: Part, *, replicas: int | None = None, pace: Pace | None = None) -> Wanted:
        kept: tuple[Kept, ...] = self._keepsakes.secrets(order)
        return Wanted(
            order=order,
            options=self._options,
            part=part,
            replicas=self._options.replicas if replicas is None else replicas,
            labels=self._ownership.labels(order, self._options, part),
            secrets=kept,
            networks=self.networks(),
            pace=pace or pace_of(order.strategy, self._options),
        )

    def _as_main(self, canary: Service, pace: Pace) -> Spec:
        spec = {**with_labels(canary.spec, {LABEL_PART: Part.MAIN}), "Name": service_name(self._options, Part.MAIN)}
        return at_pace(spec, pace, settle=self._options.settle)

    def _scaled(self, service: Service, replicas: int) -> Service:
        if service.replicas == replicas:
            return service
        return self._cluster.update(service, with_replicas(service.spec, replicas))

    def _drop(self, services: list[Service]) -> None:
        for service in services:
            self._cluster.remove(service)

    def _is_mine(self, service: Service, order: Rollout) -> bool:
        return promotion_of(service) == order.promotion


def _goal(service: Service) -> Goal:
    return Goal(service=service.id, promotion=promotion_of(service), replicas=service.replicas)


def _promotion_in(spec: Spec) -> str:
    return str((spec.get("Labels") or {}).get(LABEL_PROMOTION, ""))


def _same_service(one: Spec, other: Spec) -> bool:
    return all(one.get(key) == other.get(key) for key in ("TaskTemplate", "Mode", "EndpointSpec"))
