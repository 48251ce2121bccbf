"""One promotion on its way through: rolled out, verified, kept or taken back, under the environment's lease."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.delivery.canary import climb, steps_of
from pipeline.delivery.fencing import FencedTarget
from pipeline.delivery.journal import PromotionJournal
from pipeline.delivery.lease import EnvironmentLease
from pipeline.delivery.promotion import GOING_BACK, KEEPING, ended_as
from pipeline.errors import CancelledError, EcluseError, EngineBusyError, LeaseLostError, UsageError
from pipeline.model.check import Verdict
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.hiding import hide
from pipeline.model.release import Measurement, Promotion, PromotionKind, says_no
from pipeline.model.status import PromotionState
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.delivery import Verify
from pipeline.ports.registry import Registry
from pipeline.ports.target import Observed, Progress, Rollout, RolloutResult, Target

HOLDING = frozenset({"keep", "hold"})
"""Words of `on_failure` that leave both versions where they are, for a person to look at."""
TRIES, PAUSE = 40, 0.5
"""How often, and after how many seconds, the way back is tried while the target's trouble may pass: an engine that is
shutting down answers with errors for a while before it is gone."""


class Passage:
    """Every step is in the ledger before it is done, and every end is what the target says afterwards.

    Where the target does not answer, the promotion stays as it is for whoever comes next: nothing is claimed of a
    target that could not be asked. LeaseLostError leaves at once and nothing more is written. One thread at a time.
    """

    def __init__(
        self,
        promotion: Promotion,
        *,
        environment: EnvironmentDefinition,
        target: Target,
        lease: EnvironmentLease,
        journal: PromotionJournal,
        registry: Callable[[], Registry] | None = None,
    ) -> None:
        self.promotion = promotion
        self.environment = environment
        self.lease = lease
        self.target: Target = FencedTarget(target, lease)
        self.journal = journal.under(lease)
        self._registry = registry

    def lock(self) -> None:
        """Nobody else writes there from now on."""
        if self.promotion.state in (PromotionState.PLANNED, PromotionState.WAITING):
            self._move(PromotionState.LOCKED, data={"token": self.lease.token})

    def roll_out(self, order: Rollout, *, verify: Verify | None, progress: Progress, cancel: Cancellation) -> Promotion:
        """To `verifying` where the new version serves; else to an end. `verify` is asked between a canary's steps.

        Where the environment has a repository of its own, the image is copied there first.
        """
        if self.environment.registry:
            order = replace(order, image=self._copied(order.image, progress=progress, cancel=cancel))
        secrets = tuple(order.secrets.values())
        if self.promotion.state is PromotionState.LOCKED:
            data: dict[str, Value] = {
                "image": order.image,
                "configuration": dict(order.configuration),
                "target": self._place(),
            }
            self._move(PromotionState.ROLLING_OUT, data=data)
        try:
            result = self._rolled_out(order, verify=verify, progress=progress, cancel=cancel)
        except LeaseLostError:
            raise
        except CancelledError as error:
            self._stopped(f"stopped: {error.message}", progress)
            raise
        except EcluseError as error:
            self._stopped(hide(error.message, secrets), progress)
            raise
        if result is None:
            return self.promotion
        result = replace(result, reason=hide(result.reason, secrets))
        for line in result.reason.splitlines():
            progress(line)
        if not result.succeeded:
            state, after = ended_as(self.promotion, result.observed)
            return self._move(state, f"{_first(result.reason)}; {after}", result.observed, gap=result.gap)
        wrong = [item for item in result.observed.serving if item.image != order.image]
        if wrong or not result.observed.serving:
            detail = ", ".join(f"{item.name} runs {item.image}" for item in wrong) or "nothing serves"
            return self._move(PromotionState.PARTIAL, detail, result.observed, gap=result.gap)
        return self._move(PromotionState.VERIFYING, _first(result.reason), result.observed, gap=result.gap)

    def complete(self, order: Rollout, *, verify: Verify | None, progress: Progress, cancel: Cancellation) -> Promotion:
        """From wherever it stands to an end: rolled out, verified, kept or taken back."""
        promotion = self.promotion
        if promotion.state in (PromotionState.LOCKED, PromotionState.ROLLING_OUT):
            promotion = self.roll_out(order, verify=verify, progress=progress, cancel=cancel)
        if promotion.state is not PromotionState.VERIFYING:
            return promotion
        if verify is None:
            return self.keep("deployed", progress)
        try:
            found = verify()
        except CancelledError as error:
            self.fail(f"stopped before it was verified: {error.message}", progress)
            raise
        self.measure(found.measurements)
        if found.verdict is Verdict.PASS:
            return self.keep("verified", progress)
        return self.refute(found.sentence, found.measurements, progress)

    def measure(self, measurements: tuple[Measurement, ...]) -> Promotion:
        """Keep what checks have measured."""
        self.promotion = self.journal.measure(self.promotion, measurements)
        return self.promotion

    def keep(self, word: str, progress: Progress) -> Promotion:
        """The new version stays; what it replaced is removed."""
        self.journal.decide(self.promotion, KEEPING, {"because": word})
        return self.kept(word, progress)

    def kept(self, word: str, progress: Progress) -> Promotion:
        """As `keep`, where that was decided before."""
        trouble = ""
        try:
            observed = self.target.confirm(self.promotion.id, progress=progress)
        except LeaseLostError:
            raise
        except EcluseError as error:
            trouble = f"; {error.message}"
            observed = self.target.observe()
        live = {item.release for item in observed.serving}
        names = ", ".join(item.name for item in observed.serving) or "nothing"
        state = PromotionState.DEPLOYED if live == {self.promotion.release} else PromotionState.PARTIAL
        return self._move(
            state, f"{word}: {names} {'serve' if len(observed.serving) > 1 else 'serves'}{trouble}", observed
        )

    def refute(self, reason: str, measurements: Sequence[Measurement], progress: Progress) -> Promotion:
        """Checks of what serves went wrong: as `fail`, and a release that is taken back is barred where a check said
        no. Where none could be asked, it may come again."""
        return self.fail(reason, progress, bar=says_no(measurements))

    def fail(self, reason: str, progress: Progress, *, bar: bool = False) -> Promotion:
        """What `on_failure` says: go back, keep both, or go on with the new one. From a rollback nobody goes back."""
        wish = self.environment.on_failure
        if self.promotion.kind is PromotionKind.ROLLBACK and wish == "rollback":
            wish = "hold"
        match wish:
            case "continue":
                return self.keep(f"live although {reason}", progress)
            case _ if wish in HOLDING:
                detail = f"{reason}; the new version is kept, and the old one beside it"
                return self._move(PromotionState.PARTIAL, detail, self._look())
            case _:
                return self.go_back(reason, progress, bar=bar)

    def go_back(self, reason: str, progress: Progress, *, bar: bool = False) -> Promotion:
        """Give the traffic back to what was replaced, and say what serves then. `bar`: the release stays out."""
        progress(f"going back: {reason}")
        self.journal.decide(self.promotion, GOING_BACK, {"because": reason})
        if bar and self.promotion.kind is PromotionKind.PROMOTE and self.promotion.release != self.promotion.replaces:
            self.journal.bar(self.promotion, reason)
        try:
            result = self._rolled_back(progress)
        except LeaseLostError:
            raise
        except EcluseError as error:
            return self._gone_wrong(reason, error)
        progress(result.reason)
        state, after = ended_as(self.promotion, result.observed)
        if state is PromotionState.ROLLED_BACK or not result.succeeded:
            after = result.reason
        return self._move(state, f"{reason}; {after}", result.observed)

    def give_up(self, reason: str) -> Promotion:
        """Nothing was changed yet, and nothing will be."""
        return self._move(PromotionState.FAILED, reason)

    def _rolled_out(
        self, order: Rollout, *, verify: Verify | None, progress: Progress, cancel: Cancellation
    ) -> RolloutResult | None:
        """None where a canary ended on its way."""
        result = self.target.roll_out(order, progress=progress, cancel=cancel)
        if not result.succeeded or not steps_of(order.strategy):
            return result
        return climb(self, order, result, verify=verify, progress=progress, cancel=cancel)

    def _rolled_back(self, progress: Progress) -> RolloutResult:
        """Tried again while the target's trouble may pass; its last error leaves."""
        for _ in range(TRIES - 1):
            try:
                return self.target.roll_back(self.promotion.id, progress=progress)
            except EngineBusyError as error:
                progress(f"{error.message}; trying again")
            Cancellation().wait(PAUSE)
        return self.target.roll_back(self.promotion.id, progress=progress)

    def _copied(self, image: str, *, progress: Progress, cancel: Cancellation) -> str:
        """The image in the environment's own repository. What goes back needs nothing of the first registry."""
        if self._registry is None:
            raise UsageError(f"environment '{self.environment.name}' has a registry, and nobody here can copy to one")
        registry, goal = self._registry(), self.environment.registry
        copy = f"{goal}@{image.partition('@')[2]}"
        try:
            if self.promotion.kind is not PromotionKind.PROMOTE and registry.has(copy):
                return copy
            return registry.copy(image, goal, progress=progress, cancel=cancel)
        except EcluseError as error:
            if self.promotion.state is PromotionState.LOCKED:
                self.give_up(f"the image could not be copied to {goal}: {error.message}")
            else:
                self._stopped(error.message, progress)
            raise

    def _stopped(self, reason: str, progress: Progress) -> None:
        """An error or a cancel left the target half-way or untouched: say which, as far as it still answers."""
        try:
            observed = self.target.observe()
        except EcluseError as error:
            progress(f"what runs in '{self.environment.name}' is not known: {error.message}")
            return
        there = any(item.promotion == self.promotion.id for item in observed.instances)
        if there and self.environment.on_failure in HOLDING:
            self._move(PromotionState.PARTIAL, reason, observed)
            return
        if there or (self.promotion.replaces and not observed.serving):  # the old one was stopped, and stayed so
            self.go_back(reason, progress)
            return
        state, after = ended_as(self.promotion, observed)
        self._move(state, reason if state is PromotionState.ROLLED_BACK else f"{reason}; {after}", observed)

    def _gone_wrong(self, reason: str, error: EcluseError) -> Promotion:
        """Going back failed, at least in part; the target says which."""
        seen = self.target.observe()
        detail = f"{reason}; going back failed: {error.message}"
        if any(item.promotion == self.promotion.id for item in seen.instances):
            return self._move(PromotionState.PARTIAL, detail, seen)
        state, after = ended_as(self.promotion, seen)
        return self._move(state, f"{detail}; {after}", seen)

    def _place(self) -> Value:
        """What is needed to ask the same target later."""
        environment = self.environment
        return {
            "kind": environment.target_kind,
            "options": environment.target,
            "service": self.journal.requester.service,
            "labels": dict(environment.labels),
            "url": environment.url,
            "origin": environment.origin,
        }

    def _look(self) -> Observed | None:
        try:
            return self.target.observe()
        except EcluseError:
            return None

    def _move(
        self,
        state: PromotionState,
        detail: str = "",
        seen: Observed | None = None,
        *,
        gap: float | None = None,
        data: dict[str, Value] | None = None,
    ) -> Promotion:
        self.promotion = self.journal.move(self.promotion, state, detail=detail, seen=seen, gap=gap, data=data)
        return self.promotion


def _first(text: str) -> str:
    return text.partition("\n")[0]
