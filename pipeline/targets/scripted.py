"""A target in memory that keeps the port's promises: for tests of delivery, with failures on order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pipeline.errors import TargetError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.strategy import StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Instance, Observed, Progress, Rollout, RolloutResult
from pipeline.settings import Settings
from pipeline.targets.refusing import nobody_to_ask, nothing_to_confirm, refuse_stale, refuse_unknown

GAP = 0.2
STARTED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True, slots=True)
class Place:
    """What runs in one environment; it outlives the targets that look at it, as an engine does.

    `unfit` maps an image to why it never becomes healthy; `errors` maps the name of a method to what it raises.
    """

    instances: list[Instance] = field(default_factory=list)
    replaced: dict[str, str] = field(default_factory=dict)
    """Promotion to the promotion that served before it."""
    unfit: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    orders: list[Rollout] = field(default_factory=list)
    commands: Callable[[tuple[str, ...]], tuple[int, str]] = lambda _: (0, "")
    strategies: frozenset[StrategyKind] = frozenset(StrategyKind)
    replicas: int = 1
    fence: int = 0
    """The highest one that anybody came with."""
    logs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Promotion to what its instances have written, by instance."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class ScriptedTarget:
    """Implements `pipeline.ports.target.Target` over a Place."""

    def __init__(
        self, environment: EnvironmentDefinition, settings: Settings | None = None, *, place: Place | None = None
    ) -> None:
        self._environment = environment.name
        self._settings = settings
        self._place = place or Place()

    @property
    def strategies(self) -> frozenset[StrategyKind]:
        """What the place can do."""
        return self._place.strategies

    def observe(self) -> Observed:
        """What runs now."""
        self._maybe_fail("observe")
        return Observed(instances=tuple(self._place.instances))

    def roll_out(self, order: Rollout, *, progress: Progress, cancel: Cancellation) -> RolloutResult:
        """The new one beside the old; unfit images leave the old one serving."""
        cancel.check()
        refuse_unknown(order.strategy, self.strategies, environment=self._environment)
        self._admit(order.fence)
        self._maybe_fail("roll_out")
        place = self._place
        place.orders.append(order)
        main = self._main()
        if any(item.serving and item.promotion == order.promotion for item in place.instances):
            return self._result(True, f"{order.promotion} already serves")
        if main and main.image == order.image:
            return self._result(True, f"{main.name} already serves")
        if reason := place.unfit.get(order.image):
            return self._result(False, reason)
        old = [item for item in place.instances if main and item.promotion == main.promotion]
        place.instances[:] = [*old, *self._made(order)]
        place.replaced[order.promotion] = main.promotion if main else ""
        canary = order.strategy is not None and order.strategy.kind is StrategyKind.CANARY and main is not None
        share = order.strategy.steps[0] if canary and order.strategy and order.strategy.steps else 100
        self._share(order.promotion, share)
        gap = None
        if main:
            gap = GAP if order.strategy is None or order.strategy.kind is StrategyKind.RECREATE else 0.0
        progress(f"{order.promotion} serves {share}%")
        self._admit(order.fence)  # somebody else may work here by now
        return self._result(True, f"{order.promotion} serves", gap)

    def shift(
        self, promotion: str, share: int, *, progress: Progress, cancel: Cancellation, fence: int = 0
    ) -> RolloutResult:
        """The new one gets that share; the old one the rest."""
        cancel.check()
        self._admit(fence)
        self._maybe_fail("shift")
        names = {item.promotion for item in self._place.instances}
        old = self._place.replaced.get(promotion, "")
        if promotion not in names or (old not in names and share != 100):
            raise TargetError(f"environment '{self._environment}': no canary of promotion {promotion} is under way")
        self._share(promotion, share)
        progress(f"{promotion} serves {share}%")
        return self._result(True, f"{promotion} serves {share}%", 0.0)

    def confirm(self, promotion: str, *, progress: Progress, fence: int = 0) -> Observed:
        """Only what serves stays."""
        self._admit(fence)
        self._maybe_fail("confirm")
        if self._main() is None:
            raise nothing_to_confirm(promotion, environment=self._environment)
        if any(item.promotion == promotion for item in self._place.instances):
            self._share(promotion, 100)
        for item in self._place.instances:
            if not item.serving:
                progress(f"removing {item.name}")
        self._place.instances[:] = [item for item in self._place.instances if item.serving]
        return self.observe()

    def roll_back(self, promotion: str, *, progress: Progress, fence: int = 0) -> RolloutResult:
        """The old one serves again."""
        self._admit(fence)
        self._maybe_fail("roll_back")
        place = self._place
        if not any(item.promotion == promotion for item in place.instances):
            if place.instances and self._main() is None:
                self._share(place.instances[-1].promotion, 100)
            return self._result(True, f"nothing of promotion {promotion} runs")
        place.instances[:] = [item for item in place.instances if item.promotion != promotion]
        before = place.replaced.get(promotion, "")
        if not any(item.promotion == before for item in place.instances):
            return self._result(False, "there was no earlier version to go back to; the new one was removed")
        self._share(before, 100)
        progress(f"{before} serves again")
        return self._result(True, f"{before} serves again", GAP)

    def command(self, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        """What the script says."""
        self._maybe_fail("command")
        if self._main() is None:
            raise nobody_to_ask(environment=self._environment)
        return self._place.commands(command)

    def logs(self, promotion: str, *, since: datetime | None, limit: int) -> Mapping[str, bytes]:
        """What the place holds, whenever it was written."""
        self._maybe_fail("logs")
        there = [item.name for item in self._place.instances if item.promotion == promotion]
        written = self._place.logs.get(promotion, {})
        return {name: written.get(name, b"")[-limit:] for name in there}

    def remove(self) -> None:
        """Nothing runs any more."""
        self._place.instances.clear()

    def _made(self, order: Rollout) -> list[Instance]:
        count = self._place.replicas
        name = f"{self._environment}-{order.promotion}"
        return [
            Instance(
                name=name if count == 1 else f"{name}-{index}",
                image=order.image,
                release=order.release,
                promotion=order.promotion,
                serving=False,
                healthy=True,
                started=STARTED,
            )
            for index in range(1, count + 1)
        ]

    def _share(self, promotion: str, share: int) -> None:
        """This version gets `share` percent, the others what is left."""
        items = self._place.instances
        left = {item.promotion: share if item.promotion == promotion else 100 - share for item in items}
        self._place.instances[:] = [
            replace(item, serving=left[item.promotion] > 0, share=left[item.promotion]) for item in items
        ]

    def _main(self) -> Instance | None:
        """One of the version with the largest share."""
        serving = [item for item in self._place.instances if item.serving]
        return max(serving, key=lambda item: item.share or 0, default=None)

    def _admit(self, fence: int) -> None:
        place = self._place
        with place.lock:
            refuse_stale(fence, place.fence, environment=self._environment)
            place.fence = max(place.fence, fence)

    def _result(self, succeeded: bool, reason: str, gap: float | None = None) -> RolloutResult:
        return RolloutResult(succeeded=succeeded, reason=reason, observed=self.observe(), gap=gap)

    def _maybe_fail(self, method: str) -> None:
        errors: Mapping[str, Exception] = self._place.errors
        if method in errors:
            raise errors[method]
