"""What the stage kinds `deploy` and `smoke` ask of delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.model.definition import EnvironmentDefinition
    from pipeline.model.release import Measurement, Promotion
    from pipeline.ports.cancellation import Cancellation
    from pipeline.ports.target import Progress, Target
    from pipeline.ports.verification import Verification


Verify = Callable[[], "Verification"]
"""Ask what serves now. CancelledError may leave."""


class Delivery(Protocol):
    """Promotions of one run.

    Errors that may leave: TargetError and kin, RecordsError, LeaseLostError; RefusedError when a gate has said no;
    ParkedError when gates are not open yet.
    """

    def deploy(
        self,
        environment: EnvironmentDefinition,
        *,
        images: Mapping[str, str],
        name: str,
        verified_later: bool,
        timeout: float,
        progress: Progress,
        cancel: Cancellation,
        verify: Verify | None = None,
    ) -> Promotion:
        """Seal the release of these pinned images and roll it out, once the environment's gates are open.

        With `verified_later` (smoke stages follow) a good rollout ends in `verifying`, and the old version is kept;
        else it ends in `deployed`. A failed one ends in `rolled_back` (the old version serves again), `partial` or
        `failed`. Every step is recorded in the ledger. `verify` is asked between the steps of a canary.
        """

    def verified(
        self,
        environment: EnvironmentDefinition,
        measurements: tuple[Measurement, ...],
        *,
        final: bool,
        progress: Progress,
    ) -> Promotion | None:
        """Checks passed: keep the measurements; `final` (no smoke of this environment follows) makes it `deployed`
        and removes the old version. None when this run has no promotion there."""

    def refuted(
        self,
        environment: EnvironmentDefinition,
        measurements: tuple[Measurement, ...],
        *,
        reason: str,
        progress: Progress,
    ) -> Promotion | None:
        """Checks failed: do what `on_failure` says. None when this run has no promotion there."""

    def promotion(self, environment: EnvironmentDefinition) -> Promotion | None:
        """This run's newest promotion into the environment, as it stands."""

    def target(self, environment: EnvironmentDefinition) -> Target:
        """The environment's target, for checks that ask it."""

    def settled(self, environment: EnvironmentDefinition, *, since: datetime) -> Promotion | None:
        """The latest promotion of this run into the environment that came to its end after `since`."""

    def close(self, *, parked: bool = False) -> None:
        """The run ends: a promotion that still waits for its verification is rolled back as `on_failure` says.
        One of a run that is `parked` goes on waiting, and its environment is free for others meanwhile."""
