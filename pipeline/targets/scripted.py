"""A target in memory that keeps the port's promises: for tests of delivery, with failures on order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pipeline.errors import TargetError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Instance, Observed, Progress, Rollout, RolloutResult
from pipeline.settings import Settings

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
    lock: threading.Lock = field(default_factory=threading.Lock)


class ScriptedTarget:
    """Implements `pipeline.ports.target.Target` over a Place."""

    def __init__(
        self, environment: EnvironmentDefinition, settings: Settings | None = None, *, place: Place | None = None
    ) -> None:
        self._environment = environment.name
        self._settings = settings
        self._place = place or Place()

    def observe(self) -> Observed:
        """What runs now."""
        self._maybe_fail("observe")
        return Observed(instances=tuple(self._place.instances))

    def roll_out(self, order: Rollout, *, progress: Progress, cancel: Cancellation) -> RolloutResult:
        """The new one beside the old; unfit images leave the old one serving."""
        cancel.check()
        self._maybe_fail("roll_out")
        place = self._place
        place.orders.append(order)
        serving = self._serving()
        if serving and (serving.promotion == order.promotion or serving.image == order.image):
            return RolloutResult(succeeded=True, reason=f"{serving.name} already serves", observed=self.observe())
        if reason := place.unfit.get(order.image):
            return RolloutResult(succeeded=False, reason=reason, observed=self.observe())
        new = Instance(
            name=f"{self._environment}-{order.promotion}",
            image=order.image,
            release=order.release,
            promotion=order.promotion,
            serving=True,
            healthy=True,
            started=STARTED,
        )
        place.instances[:] = [replace(serving, serving=False)] if serving else []
        place.instances.append(new)
        place.replaced[order.promotion] = serving.promotion if serving else ""
        progress(f"{new.name} serves")
        gap = GAP if serving else None
        return RolloutResult(succeeded=True, reason=f"{new.name} serves", observed=self.observe(), gap=gap)

    def confirm(self, promotion: str, *, progress: Progress) -> Observed:
        """Only what serves stays."""
        self._maybe_fail("confirm")
        if self._serving() is None:
            raise TargetError(f"environment '{self._environment}': nothing serves, so {promotion} cannot be confirmed")
        for item in self._place.instances:
            if not item.serving:
                progress(f"removing {item.name}")
        self._place.instances[:] = [item for item in self._place.instances if item.serving]
        return self.observe()

    def roll_back(self, promotion: str, *, progress: Progress) -> RolloutResult:
        """The old one serves again."""
        self._maybe_fail("roll_back")
        place = self._place
        mine = next((item for item in place.instances if item.promotion == promotion), None)
        if mine is None:
            reason = f"nothing of promotion {promotion} runs"
            return RolloutResult(succeeded=True, reason=reason, observed=self.observe())
        place.instances.remove(mine)
        before = place.replaced.get(promotion, "")
        old = next((item for item in place.instances if item.promotion == before), None)
        if old is None:
            reason = "there was no earlier version to go back to; the new one was removed"
            return RolloutResult(succeeded=False, reason=reason, observed=self.observe())
        place.instances[:] = [replace(item, serving=item is old) for item in place.instances]
        progress(f"{old.name} serves again")
        return RolloutResult(succeeded=True, reason=f"{old.name} serves again", observed=self.observe(), gap=GAP)

    def command(self, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        """What the script says."""
        self._maybe_fail("command")
        if self._serving() is None:
            raise TargetError(f"environment '{self._environment}': no container serves")
        return self._place.commands(command)

    def remove(self) -> None:
        """Nothing runs any more."""
        self._place.instances.clear()

    def _serving(self) -> Instance | None:
        return next((item for item in self._place.instances if item.serving), None)

    def _maybe_fail(self, method: str) -> None:
        errors: Mapping[str, Exception] = self._place.errors
        if method in errors:
            raise errors[method]
