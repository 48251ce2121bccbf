"""Promotions of one run: sealed, locked, rolled out, verified or taken back, with each step in the ledger."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from pipeline.delivery.journal import PromotionJournal
from pipeline.delivery.lock import EnvironmentLock
from pipeline.delivery.promotion import UNFINISHED, expected_release
from pipeline.delivery.release import image_to_run, seal
from pipeline.errors import CancelledError, EcluseError, RefusedError, SecretError, UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.hiding import hide
from pipeline.model.permission import check_secret
from pipeline.model.release import Measurement, Promotion, Release
from pipeline.model.run import Run
from pipeline.model.source import Event
from pipeline.model.status import PromotionState
from pipeline.model.value import Value, digest_of
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.clock import Clock
from pipeline.ports.records import Records
from pipeline.ports.secrets import Secrets
from pipeline.ports.target import Progress, Rollout, RolloutResult, Target
from pipeline.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Active:
    """A promotion of this run that still waits for its verification; its lock is held."""

    promotion: Promotion
    environment: EnvironmentDefinition
    target: Target
    lock: EnvironmentLock


class RunDelivery:
    """Implements `pipeline.ports.delivery.Delivery`. Stages of several environments may call at the same time."""

    def __init__(
        self,
        *,
        run: Run,
        pipeline_digest: str,
        records: Callable[[], Records],
        target: Callable[[EnvironmentDefinition], Target],
        secrets: Secrets,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._run = run
        self._pipeline_digest = pipeline_digest
        self._records = records
        self._target = target
        self._secrets = secrets
        self._settings = settings
        self._clock = clock
        self._journal = PromotionJournal(run=run, records=records, clock=clock)
        self._active: dict[str, _Active] = {}
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
    ) -> Promotion:
        """Seal the release and bring it in. See the port for the states in which it may end."""
        release = seal(
            self._run, pipeline_digest=self._pipeline_digest, images=images, name=name, now=self._clock.now()
        )
        image = image_to_run(environment, release.images)
        secrets = self._secrets_of(environment)
        self._records().save_release(release)
        if release.dirty and not environment.allow_dirty:
            self._refuse(release, environment)
        active = self._enter(release, environment, progress=progress, cancel=cancel)
        promotion = active.promotion
        try:
            if promotion.state is PromotionState.VERIFYING:
                progress(f"promotion {promotion.id} is already rolled out and waits for its verification")
                return promotion
            if promotion.state is PromotionState.PLANNED:
                promotion = self._journal.move(promotion, PromotionState.LOCKED)
            if promotion.state is PromotionState.LOCKED:
                data: dict[str, Value] = {"image": image, "configuration": digest_of(environment.configuration)}
                promotion = self._journal.move(promotion, PromotionState.ROLLING_OUT, data=data)
            order = Rollout(
                environment=environment.name,
                release=release.id,
                promotion=promotion.id,
                image=image,
                configuration=environment.configuration,
                secrets=secrets,
                timeout=timeout,
            )
            active = replace(active, promotion=promotion)
            promotion = self._roll_out(active, order, verified_later=verified_later, progress=progress, cancel=cancel)
            return promotion
        finally:
            if promotion.state is PromotionState.VERIFYING and verified_later:
                with self._guard:
                    self._active[environment.name] = replace(active, promotion=promotion)
            else:
                active.lock.release()

    def verified(
        self,
        environment: EnvironmentDefinition,
        measurements: tuple[Measurement, ...],
        *,
        final: bool,
        progress: Progress,
    ) -> Promotion | None:
        """Keep the measurements; the last verification makes the promotion `deployed`."""
        active = self._verifying(environment, progress=progress)
        if active is None:
            return None
        promotion = self._journal.measure(active.promotion, measurements)
        if not final:
            with self._guard:
                self._active[environment.name] = replace(active, promotion=promotion)
            return promotion
        return self._end(active, lambda: self._confirm(replace(active, promotion=promotion), "verified", progress))

    def refuted(
        self,
        environment: EnvironmentDefinition,
        measurements: tuple[Measurement, ...],
        *,
        reason: str,
        progress: Progress,
    ) -> Promotion | None:
        """Keep the measurements and do what `on_failure` says."""
        active = self._verifying(environment, progress=progress)
        if active is None:
            return None
        measured_now = replace(active, promotion=self._journal.measure(active.promotion, measurements))
        return self._end(active, lambda: self._fail(measured_now, reason, progress))

    def target(self, environment: EnvironmentDefinition) -> Target:
        """The environment's target."""
        with self._guard:
            active = self._active.get(environment.name)
        return active.target if active else self._target(environment)

    def settled(self, environment: EnvironmentDefinition, *, since: datetime) -> Promotion | None:
        """This run's latest promotion that ended after that moment."""
        mine = (item for item in self._journal.history(environment.name) if item.run == self._run.id)
        return next((item for item in mine if item.finished is not None and item.finished >= since), None)

    def close(self, *, parked: bool = False) -> None:
        """Deal with promotions that nobody verified. The first error leaves once all were tried."""
        with self._guard:
            left = list(self._active.values())
            if parked:
                self._active.clear()
        if parked:
            for active in left:
                active.lock.release()
            return
        problems: list[EcluseError] = []
        for active in left:
            try:
                self._end(active, partial(self._fail, active, "the run ended before it was verified", _silent))
            except EcluseError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    def _refuse(self, release: Release, environment: EnvironmentDefinition) -> None:
        reason = (
            f"environment '{environment.name}' takes no release of a working tree with uncommitted changes "
            f"({release.name} has some)"
        )
        promotion = self._journal.begin(
            release, environment.name, replaces=expected_release(self._journal.history(environment.name))
        )
        self._journal.move(promotion, PromotionState.REFUSED, detail=reason)
        raise RefusedError(
            reason, hint=f"commit and run again, or write `allow_dirty: true` in environment '{environment.name}'"
        )

    def _enter(
        self, release: Release, environment: EnvironmentDefinition, *, progress: Progress, cancel: Cancellation
    ) -> _Active:
        """Take the lock, put right what killed runs left, and make the promotion (or find it, when resumed)."""
        with self._guard:
            if environment.name in self._active:
                raise UsageError(
                    f"environment '{environment.name}' already waits for its verification in this run",
                    hint="put the smoke stage of the first deploy before the second deploy",
                )
        lock = self._lock_of(environment)
        lock.take(f"run {self._run.id} (pid {os.getpid()})", progress=progress, cancel=cancel)
        try:
            target = self._target(environment)
            mine = self._recover(release, environment, target, progress)
            promotion = mine or self._journal.begin(release, environment.name, replaces=_serving_release(target))
        except BaseException:
            lock.release()
            raise
        return _Active(promotion=promotion, environment=environment, target=target, lock=lock)

    def _recover(
        self, release: Release, environment: EnvironmentDefinition, target: Target, progress: Progress
    ) -> Promotion | None:
        """End the promotions that runs left half-way (we hold the lock, so they are dead); this run's own goes on."""
        mine = None
        for promotion in reversed(self._journal.history(environment.name)):
            if promotion.state not in UNFINISHED:
                continue
            if promotion.run == self._run.id and promotion.release == release.id:
                mine = promotion
                continue
            progress(f"promotion {promotion.id} was left {promotion.state} by run {promotion.run}; putting it right")
            left = _Active(promotion=promotion, environment=environment, target=target, lock=self._lock_of(environment))
            match promotion.state:
                case PromotionState.PLANNED:
                    self._journal.move(promotion, PromotionState.SUPERSEDED, detail="its run ended before it began")
                case PromotionState.LOCKED:
                    self._journal.move(
                        promotion, PromotionState.FAILED, detail="its run ended before anything was changed"
                    )
                case PromotionState.ROLLING_OUT:
                    self._go_back(left, "its run ended while it was rolled out", progress)
                case _:
                    self._fail(left, "its run ended before it was verified", progress)
        return mine

    def _roll_out(
        self, active: _Active, order: Rollout, *, verified_later: bool, progress: Progress, cancel: Cancellation
    ) -> Promotion:
        promotion = active.promotion
        try:
            result = active.target.roll_out(order, progress=progress, cancel=cancel)
        except CancelledError as error:
            self._stopped(active, f"stopped: {error.message}")
            raise
        except EcluseError as error:
            self._stopped(active, hide(error.message, order.secrets.values()))
            raise
        result = replace(result, reason=hide(result.reason, order.secrets.values()))
        for line in result.reason.splitlines():
            progress(line)
        if not result.succeeded:
            return self._not_rolled_out(promotion, result)
        wrong = [item for item in result.observed.serving if item.image != order.image]
        if wrong or not result.observed.serving:
            seen = ", ".join(f"{item.name} runs {item.image}" for item in wrong) or "nothing serves"
            return self._journal.move(
                promotion, PromotionState.PARTIAL, detail=seen, seen=result.observed, gap=result.gap
            )
        promotion = self._journal.move(
            promotion, PromotionState.VERIFYING, detail=_first(result.reason), seen=result.observed, gap=result.gap
        )
        if verified_later:
            return promotion
        return self._confirm(replace(active, promotion=promotion), "deployed", progress)

    def _not_rolled_out(self, promotion: Promotion, result: RolloutResult) -> Promotion:
        """Whether the old one serves is what the target says, not what we hoped."""
        state = PromotionState.ROLLED_BACK if result.observed.serving else PromotionState.FAILED
        after = "the old version serves" if result.observed.serving else "nothing serves"
        return self._journal.move(
            promotion, state, detail=f"{_first(result.reason)}; {after}", seen=result.observed, gap=result.gap
        )

    def _stopped(self, active: _Active, reason: str) -> None:
        """An error or a cancel left the target half-way or untouched: say which, as far as it still answers."""
        try:
            observed = active.target.observe()
        except EcluseError:
            self._journal.move(active.promotion, PromotionState.FAILED, detail=reason)
            return
        mine = any(item.promotion == active.promotion.id for item in observed.instances)
        if mine and observed.serving:
            state = PromotionState.PARTIAL
        elif observed.serving:
            state = PromotionState.ROLLED_BACK
        else:
            state = PromotionState.FAILED
        self._journal.move(active.promotion, state, detail=reason, seen=observed)

    def _confirm(self, active: _Active, word: str, progress: Progress) -> Promotion:
        observed = active.target.confirm(active.promotion.id, progress=progress)
        serving = ", ".join(item.name for item in observed.serving)
        return self._journal.move(
            active.promotion, PromotionState.DEPLOYED, detail=f"{word}: {serving} serves", seen=observed
        )

    def _fail(self, active: _Active, reason: str, progress: Progress) -> Promotion:
        """What `on_failure` says: go back, keep both, or go on with the new one."""
        promotion = active.promotion
        match active.environment.on_failure:
            case "continue":
                return self._confirm(active, f"live although {reason}", progress)
            case "keep" | "hold":
                detail = f"{reason}; the new version is kept, and the old one beside it"
                return self._journal.move(promotion, PromotionState.PARTIAL, detail=detail)
            case _:
                return self._go_back(active, reason, progress)

    def _go_back(self, active: _Active, reason: str, progress: Progress) -> Promotion:
        promotion = active.promotion
        progress(f"going back: {reason}")
        try:
            result = active.target.roll_back(promotion.id, progress=progress)
        except EcluseError as error:
            detail = f"{reason}; going back failed: {error.message}"
            return self._journal.move(promotion, PromotionState.PARTIAL, detail=detail)
        progress(result.reason)
        if promotion.replaces == promotion.release:
            state, after = PromotionState.FAILED, "the same release was live before, so there is nothing to go back to"
        elif result.succeeded and result.observed.serving:
            state, after = PromotionState.ROLLED_BACK, result.reason
        else:
            state, after = PromotionState.FAILED, result.reason
        return self._journal.move(promotion, state, detail=f"{reason}; {after}", seen=result.observed)

    def _verifying(self, environment: EnvironmentDefinition, *, progress: Progress) -> _Active | None:
        """The promotion that this run has to verify there; a resumed run finds it in the records."""
        with self._guard:
            active = self._active.get(environment.name)
        if active:
            return active
        wanted = (self._run.id, PromotionState.VERIFYING)
        mine = next(
            (item for item in self._journal.history(environment.name) if (item.run, item.state) == wanted), None
        )
        if mine is None:
            return None
        lock = self._lock_of(environment)
        lock.take(f"run {self._run.id} (pid {os.getpid()})", progress=progress, cancel=Cancellation())
        return _Active(promotion=mine, environment=environment, target=self._target(environment), lock=lock)

    def _end(self, active: _Active, act: Callable[[], Promotion]) -> Promotion:
        with self._guard:
            self._active.pop(active.environment.name, None)
        try:
            return act()
        finally:
            active.lock.release()

    def _lock_of(self, environment: EnvironmentDefinition) -> EnvironmentLock:
        return EnvironmentLock(self._settings.home / "locks", service=self._run.pipeline, environment=environment.name)

    def _secrets_of(self, environment: EnvironmentDefinition) -> dict[str, str]:
        values: dict[str, str] = {}
        run = self._run  # an untrusted one never gets here: the engine runs no stage with effects for it
        event = Event(kind=run.event, branch=run.branch, tag=run.tag)
        for name in environment.secrets:
            check_secret(name, self._settings.secrets.get(name), event, environment=environment.name)
            value = self._secrets.get(name)
            if value is None:
                raise SecretError(
                    f"environment '{environment.name}' wants secret '{name}', which nobody provides",
                    hint=f"set ECLUSE_SECRET_{name} or store it with the other secrets of this machine",
                )
            values[name] = value
        return values


def _serving_release(target: Target) -> str:
    """What runs now is the target's word, not the ledger's: somebody may have removed or changed it."""
    return next((item.release for item in target.observe().serving), "")


def _first(text: str) -> str:
    return text.partition("\n")[0]


def _silent(_: str) -> None:
    return None
