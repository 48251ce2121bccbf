"""A target that is written to only for as long as the environment's lease is ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from pipeline.delivery.lease import EnvironmentLease
from pipeline.model.strategy import StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Observed, Progress, Rollout, RolloutResult, Target


class FencedTarget:
    """Implements `pipeline.ports.target.Target`: asks the lease before each call that changes anything, and
    tells the target its token.

    A lease that is lost while a rollout is under way cancels it. LeaseLostError may leave, beside the target's own.
    """

    def __init__(self, target: Target, lease: EnvironmentLease) -> None:
        self._target = target
        self._lease = lease

    def observe(self) -> Observed:
        """What runs now; looking needs no lease."""
        return self._target.observe()

    @property
    def strategies(self) -> frozenset[StrategyKind]:
        """The target's own."""
        return self._target.strategies

    def roll_out(self, order: Rollout, *, progress: Progress, cancel: Cancellation) -> RolloutResult:
        """As the target does it."""
        self._lease.check()
        both = Cancellation()
        with (
            cancel.calling(lambda: both.cancel(cancel.reason)),
            self._lease.lost.calling(lambda: both.cancel("the lease was lost")),
        ):
            return self._target.roll_out(replace(order, fence=self._lease.token), progress=progress, cancel=both)

    def shift(
        self, promotion: str, share: int, *, progress: Progress, cancel: Cancellation, fence: int = 0
    ) -> RolloutResult:
        """As the target does it."""
        self._lease.check()
        return self._target.shift(promotion, share, progress=progress, cancel=cancel, fence=self._lease.token)

    def confirm(self, promotion: str, *, progress: Progress, fence: int = 0) -> Observed:
        """As the target does it."""
        self._lease.check()
        return self._target.confirm(promotion, progress=progress, fence=self._lease.token)

    def roll_back(self, promotion: str, *, progress: Progress, fence: int = 0) -> RolloutResult:
        """As the target does it."""
        self._lease.check()
        return self._target.roll_back(promotion, progress=progress, fence=self._lease.token)

    def command(self, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        """As the target does it; a check's command changes nothing of what is deployed."""
        return self._target.command(command, timeout=timeout)

    def logs(self, promotion: str, *, since: datetime | None, limit: int) -> Mapping[str, bytes]:
        """The target's own."""
        return self._target.logs(promotion, since=since, limit=limit)

    def remove(self) -> None:
        """As the target does it."""
        self._lease.check()
        self._target.remove()
