"""Promotions of one run: its deploy and smoke stages bring releases in, and take them back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial

from pipeline.delivery.passage import Passage
from pipeline.delivery.planning import strategy_for
from pipeline.delivery.promoter import Order, Promoter
from pipeline.delivery.promotion import WAITS, by_end
from pipeline.delivery.release import image_to_run, seal
from pipeline.delivery.stopping import stoppable
from pipeline.errors import EcluseError, RecordsError, UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.ledger import head_line
from pipeline.model.release import Measurement, Promotion, Release
from pipeline.model.run import Run
from pipeline.model.status import PromotionState
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.clock import Clock
from pipeline.ports.delivery import Verify
from pipeline.ports.records import Records
from pipeline.ports.target import Progress, Rollout, Target

SecretsOf = Callable[[EnvironmentDefinition], Mapping[str, str]]
"""The values of an environment's secrets. SecretError."""


class RunDelivery:
    """Implements `pipeline.ports.delivery.Delivery`. Stages of several environments may call at the same time."""

    def __init__(
        self,
        *,
        run: Run,
        pipeline_digest: str,
        promoter: Promoter,
        records: Callable[[], Records],
        target: Callable[[EnvironmentDefinition], Target],
        secrets: SecretsOf,
        clock: Clock,
        policy: str = "",
    ) -> None:
        self._run = run
        self._pipeline_digest = pipeline_digest
        self._promoter = promoter
        self._records = records
        self._target = target
        self._secrets = secrets
        self._clock = clock
        self._policy = policy
        self._active: dict[str, Passage] = {}
        self._guard = threading.Lock()

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
        """Seal the release and bring it in. See the port for the states in which it may end."""
        release = seal(
            self._run, pipeline_digest=self._pipeline_digest, images=images, name=name, now=self._clock.now()
        )
        image = image_to_run(environment, release.images)
        secrets = self._secrets(environment)
        self._records().save_release(release, actor=self._run.actor or "unknown")
        with self._guard:
            if environment.name in self._active:
                raise UsageError(
                    f"environment '{environment.name}' already waits for its verification in this run",
                    hint="put the smoke stage of the first deploy before the second deploy",
                )
        if brought := self._brought_by_others(release, environment, progress):
            return brought
        order = Order(release=release, environment=environment, policy=self._policy)
        passage = self._promoter.enter(order, progress=progress, cancel=cancel)
        try:
            if passage.promotion.state not in (PromotionState.LOCKED, PromotionState.ROLLING_OUT):
                if passage.promotion.state is PromotionState.VERIFYING:
                    progress(f"promotion {passage.promotion.id} is already rolled out and waits for its verification")
                return passage.promotion
            rollout = Rollout(
                environment=environment.name,
                release=release.id,
                promotion=passage.promotion.id,
                image=image,
                configuration=environment.configuration,
                secrets=secrets,
                timeout=timeout,
                strategy=strategy_for(environment, passage.promotion.kind),
            )
            with stoppable(passage.promotion, passage.journal, cancel) as either:
                promotion = passage.roll_out(rollout, verify=verify, progress=progress, cancel=either)
            if promotion.state is PromotionState.VERIFYING and not verified_later:
                promotion = passage.keep("deployed", progress)
            if promotion.finished is not None:
                self._tell_head(progress)
            return promotion
        finally:
            if passage.promotion.state is PromotionState.VERIFYING and verified_later:
                with self._guard:
                    self._active[environment.name] = passage
            else:
                passage.lease.release()

    def verified(
        self,
        environment: EnvironmentDefinition,
        measurements: tuple[Measurement, ...],
        *,
        final: bool,
        progress: Progress,
    ) -> Promotion | None:
        """Keep the measurements; the last verification makes the promotion `deployed`."""
        passage = self._verifying(environment, progress=progress)
        if passage is None:
            return None
        if not final:
            passage.measure(measurements)
            with self._guard:
                self._active[environment.name] = passage
            return passage.promotion
        if asked := passage.journal.stop_asked(passage.promotion):
            ended = self._end(passage, lambda: (passage.measure(measurements), passage.fail(asked, progress))[-1])
        else:
            ended = self._end(passage, lambda: (passage.measure(measurements), passage.keep("verified", progress))[-1])
        self._tell_head(progress)
        return ended

    def refuted(
        self,
        environment: EnvironmentDefinition,
        measurements: tuple[Measurement, ...],
        *,
        reason: str,
        progress: Progress,
    ) -> Promotion | None:
        """Keep the measurements and do what `on_failure` says."""
        passage = self._verifying(environment, progress=progress)
        if passage is None:
            return None
        ended = self._end(
            passage, lambda: (passage.measure(measurements), passage.refute(reason, measurements, progress))[-1]
        )
        self._tell_head(progress)
        return ended

    def promotion(self, environment: EnvironmentDefinition) -> Promotion | None:
        """From the records."""
        return next(
            (item for item in self._promoter.journal.history(environment.name) if item.run == self._run.id), None
        )

    def target(self, environment: EnvironmentDefinition) -> Target:
        """The environment's target."""
        with self._guard:
            active = self._active.get(environment.name)
        return active.target if active else self._target(environment)

    def settled(self, environment: EnvironmentDefinition, *, since: datetime) -> Promotion | None:
        """This run's latest promotion that ended after that moment."""
        mine = (item for item in self._promoter.journal.history(environment.name) if item.run == self._run.id)
        return next((item for item in mine if item.finished is not None and item.finished >= since), None)

    def close(self, *, parked: bool = False) -> None:
        """Deal with promotions that nobody verified. The first error leaves once all were tried."""
        with self._guard:
            left = list(self._active.values())
            if parked:
                self._active.clear()
        if parked:
            for passage in left:
                passage.lease.release()
            return
        problems: list[EcluseError] = []
        for passage in left:
            try:
                self._end(passage, partial(passage.fail, "the run ended before it was verified", _silent))
            except EcluseError as error:
                problems.append(error)
        try:
            self._promoter.journal.end_waiting()
        except EcluseError as error:
            problems.append(error)
        if problems:
            raise problems[0]

    def _brought_by_others(
        self, release: Release, environment: EnvironmentDefinition, progress: Progress
    ) -> Promotion | None:
        """Where this run's own promotion waits: the one by which somebody brought the same release in meanwhile."""
        history = self._promoter.journal.history(environment.name)
        mine = next((item for item in history if item.run == self._run.id and item.release == release.id), None)
        if mine is None or mine.state not in WAITS:
            return None
        live = next((item for item in by_end(history) if item.state is PromotionState.DEPLOYED), None)
        if live is None or live.release != release.id or (live.finished or live.created) < mine.created:
            return None
        self._promoter.journal.move(
            mine, PromotionState.SUPERSEDED, detail=f"promotion {live.id} by {live.requested_by} brought it in"
        )
        progress(f"promotion {live.id} by {live.requested_by} has brought this release in")
        return live

    def _verifying(self, environment: EnvironmentDefinition, *, progress: Progress) -> Passage | None:
        """The promotion that this run has to verify there; a resumed run finds it in the records."""
        with self._guard:
            active = self._active.get(environment.name)
        if active:
            return active
        mine = self._left_verifying(environment)
        if mine is None:
            return None
        lease = self._promoter.take(environment, progress=progress, cancel=Cancellation())
        mine = self._left_verifying(environment)  # somebody may have put it right before it was our turn
        if mine is None:
            lease.release()
            return None
        return self._promoter.passage(mine, environment, self._target(environment), lease)

    def _left_verifying(self, environment: EnvironmentDefinition) -> Promotion | None:
        wanted = (self._run.id, PromotionState.VERIFYING)
        history = self._promoter.journal.history(environment.name)
        return next((item for item in history if (item.run, item.state) == wanted), None)

    def _tell_head(self, progress: Progress) -> None:
        """The ledger's head goes into the log: where that is kept, nothing up to here can be cut off unseen."""
        with suppress(RecordsError):
            head = self._records().head()
            if head is not None:
                progress(head_line(head))

    def _end(self, passage: Passage, act: Callable[[], Promotion]) -> Promotion:
        with self._guard:
            self._active.pop(passage.environment.name, None)
        try:
            return act()
        finally:
            passage.lease.release()


def _silent(_: str) -> None:
    return None
