"""A canary's way up: share by share, with a pause and a verification before each next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.delivery.journal import PromotionJournal
from pipeline.delivery.promotion import SHIFTING
from pipeline.model.check import Verdict
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.duration import spell_duration
from pipeline.model.release import Measurement, Promotion
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.delivery import Verify
from pipeline.ports.target import Progress, Rollout, RolloutResult, Target


class Climber(Protocol):
    """A promotion on its way through: what climbing asks of it. See `delivery.passage`."""

    @property
    def promotion(self) -> Promotion:
        """As it stands."""

    @property
    def environment(self) -> EnvironmentDefinition:
        """Where it goes."""

    @property
    def target(self) -> Target:
        """What is shifted, under the environment's lease."""

    @property
    def journal(self) -> PromotionJournal:
        """Where each step is written down before it is done."""

    def measure(self, measurements: tuple[Measurement, ...]) -> Promotion:
        """Keep what checks have measured."""

    def refute(self, reason: str, measurements: Sequence[Measurement], progress: Progress) -> Promotion:
        """Checks went wrong: end as the environment says."""

    def go_back(self, reason: str, progress: Progress) -> Promotion:
        """Give the traffic back to what was replaced."""


def steps_of(strategy: Strategy | None) -> tuple[int, ...]:
    """The shares of a canary in percent, each greater than the one before, the last one 100; () for all others."""
    if strategy is None or strategy.kind is not StrategyKind.CANARY:
        return ()
    rising = sorted({share for share in strategy.steps if 0 < share < 100})
    return (*rising, 100)


def climb(
    passage: Climber,
    order: Rollout,
    result: RolloutResult,
    *,
    verify: Verify | None,
    progress: Progress,
    cancel: Cancellation,
) -> RolloutResult | None:
    """From the first share, which the target has given, to all of it. None when it ended on the way, as the
    environment says for a version that fails.

    A canary that is taken up again goes on at the share that it was last ordered to have.
    """
    steps = steps_of(order.strategy)
    pause = order.strategy.pause if order.strategy else 0.0
    reached = max(steps[0], passage.journal.share(passage.promotion))
    mine = {item.promotion == order.promotion for item in result.observed.instances}
    if mine != {True, False}:
        return result  # the first one there, or a release that served already: nobody shares with it
    for share in (step for step in steps if step >= reached):
        if share > steps[0]:
            passage.journal.decide(passage.promotion, SHIFTING, {"share": share})
            result = passage.target.shift(order.promotion, share, progress=progress, cancel=cancel)
            if not result.succeeded:
                passage.go_back(f"it could not get {share}% of the traffic: {result.reason}", progress)
                return None
        if share == 100:
            return result
        progress(
            f"{share}% of the traffic goes to the new version"
            + (f"; {spell_duration(pause)} until more" if pause else "")
        )
        cancel.wait(pause)
        cancel.check()
        if verify is not None and not _holds(passage, verify, share, progress):
            return None
    return result


def _holds(passage: Climber, verify: Verify, share: int, progress: Progress) -> bool:
    """Whether the new version may have more. With `continue` it may whatever was found."""
    found = verify()
    passage.measure(found.measurements)
    if found.verdict is Verdict.PASS:
        return True
    reason = f"at {share}% of the traffic: {found.sentence}"
    if passage.environment.on_failure == "continue":
        progress(f"{reason}; going on, as on_failure says")
        return True
    passage.refute(reason, found.measurements, progress)
    return False
