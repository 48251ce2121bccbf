"""The swarm target: a release as a service on many nodes, changed by the swarm's own update or beside a canary."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.dockerapi import Certificates, connect, named_context
from pipeline.errors import EcluseError, LeaseLostError, TargetError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.strategy import StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Observed, Progress, Rollout, RolloutResult
from pipeline.settings import Settings
from pipeline.targets.docker.container_command import run_in
from pipeline.targets.docker.container_log import container_log
from pipeline.targets.refusing import nobody_to_ask, nothing_to_confirm, refuse_unknown
from pipeline.targets.sameness import spec_digest, spelled
from pipeline.targets.swarm.changes import Changes
from pipeline.targets.swarm.cluster import Cluster
from pipeline.targets.swarm.keepsakes import Keepsakes
from pipeline.targets.swarm.options import Routing, SwarmOptions, swarm_options
from pipeline.targets.swarm.ownership import LABEL_FENCE, Ownership, fence_of, promotion_of, with_labels
from pipeline.targets.swarm.scene import Scene
from pipeline.targets.swarm.tasks import Node, Task
from pipeline.targets.swarm.watch import Watch

if TYPE_CHECKING:
    from docker import APIClient

BACK_WITHIN = 120.0
"""Seconds that going back may take."""


class SwarmTarget:
    """Implements `pipeline.ports.target.Target` on a swarm. Keeps no state: all is read from the swarm."""

    def __init__(self, environment: EnvironmentDefinition, settings: Settings, *, service: str = "") -> None:
        self._options = options = swarm_options(environment)
        place, self._certificates = _manager(options)
        self._settings = replace(settings, docker_host=place) if place else settings
        self._environment = environment.name
        self._ownership = Ownership(
            environment=environment.name, pipeline=service, installation=settings.installation
        )  # fmt: skip
        client = connect(self._settings, self._certificates)
        self._cluster = Cluster(client, environment=environment.name)
        self._keepsakes = Keepsakes(self._cluster, service=options.service, labels=self._ownership.marks)
        self._changes = Changes(self._cluster, self._keepsakes, ownership=self._ownership, options=options)

    def observe(self) -> Observed:
        """What runs now, by node and digest, as the swarm's tasks say."""
        return self._changes.scene().observed(self._options)

    @property
    def strategies(self) -> frozenset[StrategyKind]:
        """A canary takes two instances, and ports that two services can share."""
        options = self._options
        shared = options.routing is Routing.HOST or not options.publish
        canary = {StrategyKind.CANARY} if shared and options.replicas > 1 else set()
        return frozenset({StrategyKind.RECREATE, StrategyKind.ROLLING, StrategyKind.BLUE_GREEN, *canary})

    def roll_out(self, order: Rollout, *, progress: Progress, cancel: Cancellation) -> RolloutResult:
        """Bring the new version in by the order's strategy (rolling without one); how it was before is kept."""
        cancel.check()
        refuse_unknown(order.strategy, self.strategies, environment=self._environment)
        scene, fence = self._admitted(order.fence)
        order = replace(order, fence=fence)
        if scene.main is None:
            self._ownership.refuse_others(self._cluster.service(self._options.service))
        elif scene.already_is(spec_digest(order, options=spelled(self._options))):
            return self._result(True, f"{scene.main.name} already serves this release with this configuration")
        self._changes.networks()  # a missing one is said before anything moves
        self._changes.remember(order, scene)
        self._changes.clear_way(order, scene, progress)
        pause = order.strategy.pause if order.strategy else 0.0
        watch = self._changes.watch(scene, timeout=order.timeout + pause, progress=progress, cancel=cancel)
        try:
            reason = self._bring_in(order, self._admitted(fence)[0], watch, progress)
        except (TargetError, LeaseLostError):  # somebody else has changed the service: it is theirs now
            raise
        except BaseException as error:
            progress(f"going back: {error}")
            with suppress(EcluseError):  # the first error is the one to tell; what runs is asked afterwards
                self._restore(order.promotion, fence, progress)
            raise
        if reason:
            return self._refused(order.promotion, reason, watch, progress, fence=fence)
        gap = watch.gap if scene.main else None
        if gap:
            progress(f"nobody served for about {gap:.1f} s")
        return self._result(True, f"{self._options.service} serves promotion {order.promotion}", gap)

    def shift(
        self, promotion: str, share: int, *, progress: Progress, cancel: Cancellation, fence: int = 0
    ) -> RolloutResult:
        """Another number of instances for the canary; at 100 its version becomes the service's own, in place."""
        cancel.check()
        scene, fence = self._admitted(fence)
        mine = [item for item in (scene.main, scene.canary) if item and promotion_of(item) == promotion]
        if not mine or (scene.canary is None and share < 100):
            raise TargetError(
                f"environment '{self._environment}': no canary of promotion {promotion} is under way",
                hint="`ecluse env show` tells what runs there",
            )
        watch = self._changes.watch(scene, timeout=BACK_WITHIN, progress=progress, cancel=cancel)
        if share >= 100:
            reason = self._changes.fold(promotion, scene, watch)
        else:
            reason = self._changes.move_canary(scene, watch, share)
        if reason:
            return self._refused(promotion, reason, watch, progress, fence=fence)
        return self._result(True, f"promotion {promotion} gets {share}% of the instances", watch.gap)

    def confirm(self, promotion: str, *, progress: Progress, fence: int = 0) -> Observed:
        """Forget how it was before, and the secrets of what was replaced; a canary becomes the service first."""
        scene, _ = self._admitted(fence)
        if not any(scene.running(item) for item in scene.services):
            raise nothing_to_confirm(promotion, environment=self._environment)
        under_way = scene.canary or scene.main
        if under_way and promotion_of(under_way) != promotion and self._keepsakes.before(promotion_of(under_way)):
            raise TargetError(
                f"environment '{self._environment}': promotion {promotion_of(under_way)} is under way there, "
                f"so promotion {promotion} cannot be confirmed",
                hint="`ecluse env show` tells what runs there",
            )
        if scene.canary:
            result = self.shift(promotion, 100, progress=progress, cancel=Cancellation(), fence=fence)
            if not result.succeeded:
                raise TargetError(f"environment '{self._environment}': {result.reason}", hint="deploy again")
            scene = self._changes.scene()
        if scene.main:
            self._keepsakes.settle(promotion_of(scene.main))
        return self.observe()

    def roll_back(self, promotion: str, *, progress: Progress, fence: int = 0) -> RolloutResult:
        """Put the service back as it was before this promotion, from any half-way state."""
        scene, _ = self._admitted(fence)
        watch = self._back(scene, progress)
        restored, reason = self._changes.restore(promotion, scene, watch, progress)
        return self._result(restored, reason, watch.gap)

    def command(self, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        """Run a command in a serving instance on a node whose engine we can speak to."""
        scene = self._changes.scene()
        running = [task for task in (*scene.running(scene.main), *scene.running(scene.canary)) if task.container]
        if not running:
            raise nobody_to_ask(environment=self._environment)
        own = self._cluster.own_node()
        for task in sorted(running, key=lambda task: task.node is None or task.node.id != own):
            if client := self._engine_of(task.node, own=own):
                return run_in(client, task.container, command, timeout=timeout)
        names = ", ".join(sorted({task.node.name for task in running if task.node}))
        raise TargetError(
            f"environment '{self._environment}': no instance runs on the node that we speak to, but on {names}",
            hint="give the addresses of their engines in the target: `nodes: {NAME: tcp://…}`, or check by http",
        )

    def logs(self, promotion: str, *, since: datetime | None, limit: int) -> Mapping[str, bytes]:
        """From the engines that we can speak to, else through the manager. TargetError where a node that is up does not
        give its part."""
        scene, own = self._changes.scene(), self._cluster.own_node()
        silent = scene.rehearsal.id if scene.rehearsal else ""
        mine = [task for task in scene.tasks if task.promotion == promotion and task.service != silent]
        return {
            scene.name(task): self._log(task, own=own, since=since, limit=limit)
            for task in mine
            if task.container and task.node and task.node.up
        }

    def remove(self) -> None:
        """Remove all services of the environment and what is kept for it; networks and volumes stay."""
        for service in self._changes.scene().services:
            self._cluster.remove(service)
        self._keepsakes.forget()

    def _log(self, task: Task, *, own: str, since: datetime | None, limit: int) -> bytes:
        if client := self._engine_of(task.node, own=own):
            return container_log(client, task.container, since=since, limit=limit)
        return self._cluster.log(task, since=since, limit=limit)

    def _engine_of(self, node: Node | None, *, own: str) -> APIClient | None:
        """A client for that node's engine, where we know how to reach it; `own` is the node that we speak to."""
        if node is None:
            return None
        if node.id == own:
            ours: APIClient = self._cluster.client
            return ours
        address = self._options.nodes.get(node.name)
        return connect(replace(self._settings, docker_host=address), self._certificates) if address else None

    def _bring_in(self, order: Rollout, scene: Scene, watch: Watch, progress: Progress) -> str:
        strategy, changes = order.strategy, self._changes
        if scene.main and strategy and strategy.kind is StrategyKind.BLUE_GREEN:
            if reason := changes.rehearse(order, scene, watch, progress):
                return reason
        elif scene.main and strategy and strategy.kind is StrategyKind.CANARY:
            share = strategy.steps[0] if strategy.steps else 100
            if promotion_of(scene.main) == order.promotion:
                return changes.fold(order.promotion, scene, watch)
            if share < 100:
                return changes.start_canary(order, scene, watch, share)
        return changes.in_place(order, scene, watch)

    def _refused(self, promotion: str, reason: str, watch: Watch, progress: Progress, *, fence: int) -> RolloutResult:
        """Go back from a version that is not fit to serve; the result carries the end of its log."""
        progress(f"going back: {reason.partition(chr(10))[0]}")
        restored, words = self._restore(promotion, fence, progress)
        head, _, tail = reason.partition("\n")
        said = head if restored and "instances run" not in words else f"{head}; {words}"
        return self._result(False, f"{said}\n{tail}" if tail else said, watch.gap)

    def _restore(self, promotion: str, fence: int, progress: Progress) -> tuple[bool, str]:
        scene, _ = self._admitted(fence)
        return self._changes.restore(promotion, scene, self._back(scene, progress), progress)

    def _back(self, scene: Scene, progress: Progress) -> Watch:
        return self._changes.watch(scene, timeout=BACK_WITHIN, progress=progress, cancel=Cancellation())

    def _admitted(self, fence: int) -> tuple[Scene, int]:
        """What is there, once the newest lease is on the service: from then on no write of an older one gets through,
        because each names the version of the service that it has seen."""
        scene = self._changes.scene()
        newest = self._ownership.admit(fence, *scene.services)
        late = [item for item in (scene.main, scene.canary) if item and fence_of(item) < newest]
        for service in late:
            self._cluster.update(service, with_labels(service.spec, {LABEL_FENCE: str(newest)}))
        return (self._changes.scene() if late else scene), newest

    def _result(self, succeeded: bool, reason: str, gap: float | None = None) -> RolloutResult:
        return RolloutResult(succeeded=succeeded, reason=reason, observed=self.observe(), gap=gap)


def _manager(options: SwarmOptions) -> tuple[str, Certificates | None]:
    """Where the manager is ("" for this machine's engine), and what proves who we are to it."""
    if not options.context:
        return options.host, options.certificates
    found = named_context(options.context)
    if not found.key:
        return found.address, None
    proof = Certificates(authority=found.authority, certificate=found.certificate, key=found.key)
    return found.address, proof
