"""Bringing promotions into environments on behalf of a run or a person: planned, admitted, locked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.delivery.admission import Admission, Judge, Question
from pipeline.delivery.journal import PromotionJournal, Requester
from pipeline.delivery.lease import SECONDS, EnvironmentLease, environment_lease
from pipeline.delivery.passage import Passage
from pipeline.delivery.planning import plan_of
from pipeline.delivery.promotion import BEGUN, UNFINISHED, WAITS
from pipeline.delivery.recovery import put_right
from pipeline.errors import NotFoundError, ParkedError, RefusedError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.clock import Clock
from pipeline.ports.records import Records
from pipeline.ports.registry import Registry
from pipeline.ports.target import Progress, Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is to be brought in where, of which kind, and why. `promotion` names one that is to be taken up."""

    release: Release
    environment: EnvironmentDefinition
    kind: PromotionKind = PromotionKind.PROMOTE
    reason: str = ""
    policy: str = ""
    override: str = ""
    automatic: bool = True
    """No person asks for it: a run does, or a deployment to what comes before."""
    promotion: str = ""
    id: str = ""
    """The id that the new one gets; "" = any, and one that waits for the same already goes on instead."""


class Promoter:
    """The one way into an environment, for deploy stages and for commands. Threads may enter different environments
    at the same time. Errors that may leave: those of the target and the records, RefusedError, ParkedError,
    CancelledError, LeaseLostError."""

    def __init__(
        self,
        *,
        requester: Requester,
        records: Callable[[], Records],
        target: Callable[[EnvironmentDefinition], Target],
        judge: Judge,
        clock: Clock,
        home: Path,
        installation: str,
        lease_seconds: float = SECONDS,
        registry: Callable[[], Registry] | None = None,
    ) -> None:
        self.requester = requester
        self.journal = PromotionJournal(requester=requester, records=records, clock=clock)
        self.admission = Admission(actor=requester.actor, records=records, judge=judge, clock=clock)
        self._records = records
        self._target = target
        self._clock = clock
        self._home = home
        self._installation = installation
        self._lease_seconds = lease_seconds
        self._registry = registry

    def enter(self, order: Order, *, progress: Progress, cancel: Cancellation) -> Passage:
        """Plan it (or find it, when it was begun before), ask the gates, take the lease, put right what dead promoters
        left, ask the gates once more, and lock. The caller releases the passage's lease.

        A promotion that is taken up after it was decided on is carried through, and comes back at its end.

        ParkedError leaves it `waiting`, RefusedError `refused`; neither holds anything.
        """
        target = self._target(order.environment)
        promotion = self._known(order) or self._begin(order, target)
        if promotion.state in WAITS:
            promotion = self._admit(promotion, order, target)
        lease = self.take(order.environment, promotion=promotion, progress=progress, cancel=cancel)
        try:
            return self._locked(promotion, order, target, lease, progress=progress)
        except BaseException:
            lease.release()
            raise

    def take(
        self,
        environment: EnvironmentDefinition,
        *,
        promotion: Promotion | None = None,
        progress: Progress,
        cancel: Cancellation,
    ) -> EnvironmentLease:
        """The environment's lease, awaited. RefusedError when the promotion that wants it is superseded meanwhile.

        A rollback asks whoever brings something in to stop.
        """
        lease = environment_lease(
            environment.name,
            service=self.requester.service,
            who=self.requester.words,
            home=self._home,
            records=self._records,
            clock=self._clock,
            installation=self._installation,
            seconds=self._lease_seconds,
        )

        def look() -> None:
            if promotion is not None:
                self._still_wanted(promotion)
                if promotion.kind is PromotionKind.ROLLBACK:
                    self._ask_to_stop(promotion, progress)

        lease.take(progress=progress, cancel=cancel, look=look)
        return lease

    def passage(
        self, promotion: Promotion, environment: EnvironmentDefinition, target: Target, lease: EnvironmentLease
    ) -> Passage:
        """A promotion under a lease that is held."""
        return Passage(
            promotion,
            environment=environment,
            target=target,
            lease=lease,
            journal=self.journal,
            registry=self._registry,
        )

    def recover(
        self,
        environment: EnvironmentDefinition,
        target: Target,
        lease: EnvironmentLease,
        *,
        spare: str = "",
        progress: Progress,
    ) -> None:
        """End, oldest first, all promotions that their promoters left half-way but the one to `spare`."""
        for left in reversed(self.journal.under_way(environment.name)):
            if left.state in UNFINISHED and left.id != spare:
                passage = self.passage(left, environment, target, lease)
                put_right(passage, self.journal.under(lease), now=self._clock.now(), progress=progress)

    def question(self, order: Order, target: Target) -> Question:
        """What the gates are asked for an order, by what serves now."""
        plan = plan_of(
            order.release.id,
            order.environment,
            replaces=serving_release(target),
            kind=order.kind,
            policy=order.policy,
        )
        return Question(
            release=order.release,
            environment=order.environment,
            plan=plan,
            requester=self.requester.actor,
            automatic=order.automatic,
        )

    def _known(self, order: Order) -> Promotion | None:
        """The promotion that this order has made before, and that has not ended."""
        if order.promotion:
            return self._records().find_promotion(order.promotion)
        if order.id:
            return None
        mine = (self.requester.run, order.release.id, order.kind)
        for item in self.journal.under_way(order.environment.name):
            if (item.run, item.release, item.kind) == mine and (item.run or item.state is PromotionState.WAITING):
                return item
        return None

    def _begin(self, order: Order, target: Target) -> Promotion:
        plan = self.question(order, target).plan
        promotion = self.journal.begin(plan, reason=order.reason, override=order.override, id=self._free_id(order))
        if not order.environment.queue:
            for older in self.journal.under_way(order.environment.name):
                if older.state in WAITS and older.id < promotion.id:
                    self.journal.move(
                        older, PromotionState.SUPERSEDED, detail=f"promotion {promotion.id} came after it"
                    )
        return promotion

    def _free_id(self, order: Order) -> str:
        """What the order asks for, where no promotion has it: one that is begun again is another one."""
        if not order.id:
            return ""
        try:
            self._records().find_promotion(order.id)
        except NotFoundError:
            return order.id
        return ""

    def _admit(self, promotion: Promotion, order: Order, target: Target) -> Promotion:
        """The promotion as it is planned now, where all gates are open."""
        question = self.question(order, target)
        if question.plan.digest != promotion.plan:
            promotion = self.journal.replan(promotion, question.plan)
        if order.override and promotion.override != order.override:
            self.admission.require_override(promotion, question, order.override)
            promotion = self.journal.override(promotion, order.override)
        try:
            self.admission.require(promotion, question)
        except RefusedError as error:
            self.journal.move(promotion, PromotionState.REFUSED, detail=error.message)
            raise
        except ParkedError as error:
            if promotion.state is PromotionState.PLANNED:
                self.journal.move(promotion, PromotionState.WAITING, detail=error.message)
            raise
        return promotion

    def _locked(
        self, promotion: Promotion, order: Order, target: Target, lease: EnvironmentLease, *, progress: Progress
    ) -> Passage:
        self.recover(order.environment, target, lease, spare=promotion.id, progress=progress)
        promotion = self._records().find_promotion(promotion.id)
        if not PROMOTION_MOVES[promotion.state]:
            if promotion.state is PromotionState.SUPERSEDED or order.promotion:
                raise RefusedError(f"promotion {promotion.id} is {promotion.state}: {promotion.detail}")
            promotion = self._begin(order, target)  # while we were away, somebody put right what we had left
        if promotion.state in BEGUN and promotion.configuration != self.question(order, target).plan.configuration:
            self.recover(order.environment, target, lease, progress=progress)
            promotion = self._begin(order, target)  # what was half done had another configuration
        if promotion.state in WAITS:
            promotion = self._admit(promotion, order, target)
        passage = self.passage(promotion, order.environment, target, lease)
        if promotion.state in BEGUN and self.journal.decided(promotion):
            put_right(passage, passage.journal, now=self._clock.now(), progress=progress)
        passage.lock()
        return passage

    def _still_wanted(self, promotion: Promotion) -> None:
        """Called while the lease is somebody else's."""
        now = self._records().find_promotion(promotion.id)
        if now.state is PromotionState.PLANNED:
            self.journal.move(now, PromotionState.WAITING, detail="another promotion is under way")
        elif now.state not in WAITS and now.state not in BEGUN:
            raise RefusedError(
                f"promotion {promotion.id} is {now.state}: {now.detail}",
                hint=f"`ecluse history {promotion.environment}` shows what came before it",
            )

    def _ask_to_stop(self, rollback: Promotion, progress: Progress) -> None:
        """Of everything that is being brought in; one that goes back itself is awaited."""
        for item in self.journal.under_way(rollback.environment):
            if item.state not in BEGUN or item.kind is PromotionKind.ROLLBACK:
                continue
            why = f": {rollback.reason}" if rollback.reason != rollback.requested_by else ""
            if self.journal.ask_to_stop(item, f"{rollback.requested_by} goes back in '{item.environment}'{why}"):
                state = item.state.value.replace("_", " ")
                progress(
                    f"asked promotion {item.id} to stop: {state}, begun by {item.requested_by} at "
                    f"{item.created:%Y-%m-%d %H:%M:%S} UTC"
                )


def serving_release(target: Target) -> str:
    """What runs now is the target's word, not the ledger's: somebody may have removed or changed it."""
    return next((item.release for item in target.observe().serving), "")
