"""The compose target: one service of a project, made again by compose itself, with everything else left alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from pipeline.dockerapi import address, connect
from pipeline.errors import EcluseError, TargetError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.strategy import StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Instance, Observed, Progress, Rollout, RolloutResult
from pipeline.settings import Settings
from pipeline.targets.compose.changes import Changes
from pipeline.targets.compose.options import compose_options
from pipeline.targets.compose.program import Compose
from pipeline.targets.compose.project import Member, Project, base_of
from pipeline.targets.compose.secret_volumes import SecretVolumes
from pipeline.targets.compose.version import Version
from pipeline.targets.docker.container_command import run_in
from pipeline.targets.docker.fence import Fence
from pipeline.targets.docker.fleet import Fleet
from pipeline.targets.docker.handover import host_of
from pipeline.targets.docker.health import is_healthy
from pipeline.targets.docker.options import DockerOptions
from pipeline.targets.docker.pulling import pull
from pipeline.targets.refusing import nobody_to_ask, nothing_to_confirm, refuse_unknown
from pipeline.targets.sameness import spec_digest

STRATEGIES = frozenset({StrategyKind.RECREATE})
"""Compose stops the old container before it starts the new one."""
BACK_WITHIN = 120.0
"""Seconds that the old version may take to become healthy again."""


class ComposeTarget:
    """Implements `pipeline.ports.target.Target` on a compose project. Keeps no state: all is on its containers."""

    def __init__(self, environment: EnvironmentDefinition, settings: Settings, *, service: str = "") -> None:
        self._options = options = compose_options(environment, settings)
        settings = replace(settings, docker_host=options.host) if options.host else settings
        self._environment = environment.name
        self._engine = address(settings)
        self._fleet = Fleet(
            connect(settings, options.certificates),
            installation=settings.installation,
            service=service,
            environment=environment.name,
            options=DockerOptions(settle=options.settle, drain=options.drain, labels=options.labels),
        )
        self._fence = Fence(self._fleet)
        self._secrets = SecretVolumes(self._fleet)
        self._project = Project(self._fleet, project=options.project, service=options.service)
        self._changes = Changes(
            self._fleet,
            self._project,
            Compose(options, address=self._engine),
            options=options,
            host=host_of(self._engine),
        )

    @property
    def strategies(self) -> frozenset[StrategyKind]:
        """What compose does by itself."""
        return STRATEGIES

    def observe(self) -> Observed:
        """What the engine runs as this service, also where a person has started it."""
        members = self._project.members()
        serving = sum(item.serving for item in members)
        return Observed(instances=tuple(self._instance(item, members, serving) for item in members))

    def roll_out(self, order: Rollout, *, progress: Progress, cancel: Cancellation) -> RolloutResult:
        """Have compose make the service again with the new image, and await its health; else go back to the old one."""
        cancel.check()
        refuse_unknown(order.strategy, STRATEGIES, environment=self._environment)
        self._project.refuse_others()
        self._fence.admit(order.fence)
        members = self._project.members()
        spec = spec_digest(order, files=self._options.digest())
        if already := self._already(members, order, spec):
            return self._result(True, already)
        version = Version(
            image=order.image,
            release=order.release,
            promotion=order.promotion,
            spec=spec,
            fence=order.fence,
            configuration=order.configuration,
        )
        before = base_of(members, order.promotion)
        self._changes.remember(members)
        self._changes.prepare(secrets=bool(order.secrets), progress=progress, cancel=cancel)
        pull(self._fleet.client, order.image, progress=progress, cancel=cancel)
        version = replace(version, secrets=self._secrets.fill(order))
        self._fence.admit(order.fence)  # pulling may have taken long
        try:
            reason, gap = self._changes.bring(
                version, before, members, timeout=order.timeout, progress=progress, cancel=cancel
            )
        except BaseException as error:
            progress(f"going back: {error}")
            with suppress(EcluseError):  # the first error is the one to tell; what runs is asked afterwards
                self._back(order.promotion, before, order.fence, progress)
            raise
        if reason:
            progress(f"going back: {reason.partition(chr(10))[0]}")
            back, words, gap = self._back(order.promotion, before, order.fence, progress)
            head, _, tail = reason.partition("\n")
            said = head if back or before is None else f"{head}; {words}"
            return self._result(False, f"{said}\n{tail}" if tail else said, gap)
        if gap is not None:
            progress(f"nobody answered for {gap:.1f} s")
        return self._result(True, f"promotion {order.promotion} serves", gap)

    def shift(
        self, promotion: str, share: int, *, progress: Progress, cancel: Cancellation, fence: int = 0
    ) -> RolloutResult:
        """Compose has one version at a time."""
        self._fence.admit(fence)
        raise TargetError(
            f"environment '{self._environment}': no canary of promotion {promotion} is under way",
            hint="a compose target cannot share its traffic: see docs/delivery.md for targets that can",
        )

    def confirm(self, promotion: str, *, progress: Progress, fence: int = 0) -> Observed:
        """Remove what is left of what it replaced: stopped containers, secrets, the image."""
        self._fence.admit(fence)
        members = self._project.members()
        serving = [item for item in members if item.serving]
        if not serving:
            raise nothing_to_confirm(promotion, environment=self._environment)
        for item in members:
            if not item.serving and item.promotion != serving[0].promotion:
                progress(f"removing {item.deployed.name}")
                self._fleet.remove(item.deployed.id)
        if any(item.promotion == promotion for item in serving):
            self._secrets.drop(but=[item.version.secrets for item in serving])
            for image in {item.before.image for item in serving if item.before}:
                self._fleet.forget_image(image)
        return self.observe()

    def roll_back(self, promotion: str, *, progress: Progress, fence: int = 0) -> RolloutResult:
        """Bring back what this promotion replaced, as its containers' labels say, from any half-way state."""
        self._fence.admit(fence)
        members = self._project.members()
        if any(item.promotion == promotion for item in members):
            return self._result(*self._back(promotion, base_of(members, promotion), fence, progress))
        if members and not any(item.serving for item in members):
            return self._result(*self._back(promotion, base_of(members, promotion), fence, progress))
        self._secrets.drop(but=_named(members))
        return self._result(True, f"nothing of promotion {promotion} runs")

    def command(self, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        """Run a command in a serving container; 124 when it did not end in time (it is left to itself then)."""
        serving = next((item for item in self._project.members() if item.serving), None)
        if serving is None:
            raise nobody_to_ask(environment=self._environment)
        return run_in(self._fleet.client, serving.deployed.id, command, name=serving.deployed.name, timeout=timeout)

    def logs(self, promotion: str, *, since: datetime | None, limit: int) -> Mapping[str, bytes]:
        """From the engine's log of each container, both streams as they came."""
        mine = (item.deployed for item in self._project.members() if item.promotion == promotion)
        return {item.name: self._fleet.log(item.id, since=since, limit=limit) for item in mine}

    def remove(self) -> None:
        """Remove the service's containers, its secrets and its mark; neighbours, networks and volumes stay."""
        for item in self._project.members():
            if item.promotion:
                self._fleet.remove(item.deployed.id, grace=self._options.drain)
        self._secrets.drop()
        self._fence.clear()

    def _already(self, members: tuple[Member, ...], order: Rollout, spec: str) -> str:
        """Why there is nothing to do, or ""."""
        if not members or not all(item.serving and item.version.spec == spec for item in members):
            return ""
        if any(is_healthy(self._fleet, item.deployed) is False for item in members):
            return ""
        return f"{members[0].deployed.name} already serves this release with this configuration"

    def _back(
        self, promotion: str, before: Version | None, fence: int, progress: Progress
    ) -> tuple[bool, str, float | None]:
        """Let `before` serve again. Whether it does, in words, and how long nobody served."""
        members = self._project.members()
        if before is None:
            for item in members:
                if item.promotion == promotion:
                    self._fleet.remove(item.deployed.id)
            self._secrets.drop(but=_named(item for item in self._project.members()))
            return False, "there was no earlier version to go back to; the new one was removed", None
        if before.secrets and before.secrets not in self._secrets.there():
            raise TargetError(
                f"environment '{self._environment}': the secrets of promotion {before.promotion} are gone, "
                f"so it cannot serve again",
                hint="they are kept until the next one is confirmed; deploy that release again",
            )
        self._fence.admit(fence)
        kept = any(item.promotion == before.promotion for item in members)
        for item in members:
            if item.promotion == promotion != before.promotion and (kept or not item.serving):
                self._fleet.remove(item.deployed.id)
        reason, gap = self._changes.bring(
            before, None, members, timeout=BACK_WITHIN, progress=progress, cancel=Cancellation(), revive=True
        )
        self._secrets.drop(but=[before.secrets])
        name = f"promotion {before.promotion}" if before.promotion else "what a person had started"
        if reason:
            return False, f"{name} was brought back, but: {reason}", gap
        return True, f"{name} serves again", gap

    def _result(self, succeeded: bool, reason: str, gap: float | None = None) -> RolloutResult:
        return RolloutResult(succeeded=succeeded, reason=reason, observed=self.observe(), gap=gap)

    def _instance(self, item: Member, members: tuple[Member, ...], serving: int) -> Instance:
        inside = tuple(ip for ip in item.deployed.networks.values() if ip)
        alike = sum(other.serving and other.promotion == item.promotion for other in members)
        return Instance(
            name=item.deployed.name,
            image=item.image,
            release=item.version.release,
            promotion=item.promotion,
            serving=item.serving,
            healthy=is_healthy(self._fleet, item.deployed) if item.serving else None,
            started=item.deployed.started,
            addresses=(self._changes.reach(item) or inside) if item.serving else (),
            share=round(100 * alike / serving) if item.serving else 0,
        )


def _named(members: Iterable[Member]) -> list[str]:
    """Volumes of secrets that these containers have, or would go back to."""
    return [item.secrets for member in members for item in (member.version, member.before) if item]
