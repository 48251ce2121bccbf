"""Writing a promotion down: each step goes into the records and the ledger before the next one begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.delivery.lease import EnvironmentLease
from pipeline.delivery.promotion import (
    ACTIONS,
    DECIDED,
    END_ACTIONS,
    MEASURED,
    OVERRIDDEN,
    REPLANNED,
    SHIFTING,
    STOP_ASKED,
    WAITS,
    advance,
    measured,
    picture,
)
from pipeline.errors import UsageError
from pipeline.model.decision import Block, BlockKind
from pipeline.model.release import Measurement, Promotion, PromotionPlan
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.model.ulid import ulid
from pipeline.model.value import Value
from pipeline.ports.clock import Clock
from pipeline.ports.records import Records
from pipeline.ports.target import Observed


@dataclass(frozen=True, kw_only=True, slots=True)
class Requester:
    """On whose behalf promotions are made: a person, or a run that a person started."""

    actor: str
    repository: str
    service: str
    """The pipeline's name, by which targets know their own."""
    run: str = ""

    @property
    def words(self) -> str:
        """`run 01j…`, or who it is."""
        return f"run {self.run}" if self.run else self.actor or "somebody"


class PromotionJournal:
    """The promotions of one repository, written on behalf of a requester. Errors that may leave: RecordsError,
    RefusedError when a promotion is not any more what it was when we read it, LeaseLostError under a lease."""

    def __init__(
        self,
        *,
        requester: Requester,
        records: Callable[[], Records],
        clock: Clock,
        lease: EnvironmentLease | None = None,
    ) -> None:
        self.requester = requester
        self._records = records
        self._clock = clock
        self._lease = lease

    def under(self, lease: EnvironmentLease) -> PromotionJournal:
        """The same journal, which writes nothing once the lease is lost."""
        return PromotionJournal(requester=self.requester, records=self._records, clock=self._clock, lease=lease)

    def begin(self, plan: PromotionPlan, *, reason: str = "", override: str = "", id: str = "") -> Promotion:  # noqa: A002
        """A new promotion, `planned`; `id` is one that nobody has yet ("" = any)."""
        now = self._clock.now()
        promotion = Promotion(
            id=id or ulid(now, os.urandom(10)),
            release=plan.release,
            environment=plan.environment,
            kind=plan.kind,
            state=PromotionState.PLANNED,
            requested_by=self.requester.actor,
            reason=reason or self.requester.words,
            created=now,
            replaces=plan.replaces,
            run=self.requester.run,
            plan=plan.digest,
            policy=plan.policy,
            configuration=plan.configuration,
            override=override,
        )
        return self._save(promotion, ACTIONS[promotion.state], {"plan": _spelled(plan)}, seen=None)

    def replan(self, promotion: Promotion, plan: PromotionPlan) -> Promotion:
        """What it would change is another thing now: approvals of the earlier plan do not count for it."""
        changed = replace(
            promotion,
            plan=plan.digest,
            policy=plan.policy,
            replaces=plan.replaces,
            configuration=plan.configuration,
        )
        data: dict[str, Value] = {"plan": _spelled(plan), "before": promotion.plan}
        return self._save(changed, REPLANNED, data, seen=promotion.state)

    def override(self, promotion: Promotion, reason: str) -> Promotion:
        """Somebody with the right to do so opens its gates by force."""
        return self._save(replace(promotion, override=reason), OVERRIDDEN, {}, seen=promotion.state)

    def measure(self, promotion: Promotion, measurements: tuple[Measurement, ...]) -> Promotion:
        """Keep further measurements; the state stays."""
        if not measurements:
            return promotion
        passed = sum(1 for item in measurements if item.passed)
        data: dict[str, Value] = {"passed": passed, "failed": len(measurements) - passed}
        return self._save(measured(promotion, measurements), MEASURED, data, seen=promotion.state)

    def decide(self, promotion: Promotion, action: str, data: Mapping[str, Value]) -> None:
        """What will be done next on the target, so that whoever comes after us goes on with it."""
        self._save(promotion, action, data, seen=promotion.state)

    def move(
        self,
        promotion: Promotion,
        state: PromotionState,
        *,
        detail: str = "",
        seen: Observed | None = None,
        gap: float | None = None,
        data: Mapping[str, Value] | None = None,
    ) -> Promotion:
        """To the next state; `seen` is what the target says at that moment."""
        if state not in PROMOTION_MOVES[promotion.state]:
            raise UsageError(
                f"promotion {promotion.id} is {promotion.state} and cannot become {state}",
                hint=f"`ecluse history {promotion.environment}` shows what happened to it",
            )
        moved = advance(promotion, state, now=self._moment(), detail=detail, gap=gap)
        told = {**(data or {}), **({"runs": picture(seen)} if seen else {})}
        return self._save(moved, ACTIONS[state], told, seen=promotion.state)

    def bar(self, promotion: Promotion, reason: str) -> None:
        """Keep the release of a promotion out of its environment until somebody lifts that."""
        now = self._clock.now()
        block = Block(
            id=ulid(now, os.urandom(10)),
            kind=BlockKind.BAR,
            repository=self.requester.repository,
            environment=promotion.environment,
            owner=self.requester.actor or "unknown",
            reason=f"promotion {promotion.id} was rolled back: {reason}",
            created=now,
            release=promotion.release,
        )
        self._records().save_block(block, actor=block.owner, action="bar.set")

    def history(self, environment: str, *, limit: int = 200) -> list[Promotion]:
        """The latest promotions of an environment, newest first."""
        return list(
            self._records().promotions(repository=self.requester.repository, environment=environment, limit=limit)
        )

    def under_way(self, environment: str) -> list[Promotion]:
        """All promotions of an environment that have not ended, newest first."""
        found = self._records().promotions(
            repository=self.requester.repository, environment=environment, under_way=True, limit=10_000
        )
        return list(found)

    def ask_to_stop(self, promotion: Promotion, reason: str) -> bool:
        """Ask whoever brings it in to stop and go back; False where somebody has asked already."""
        if self.stop_asked(promotion):
            return False
        actor = self.requester.actor or "unknown"
        self._records().note(actor=actor, action=STOP_ASKED, subject=promotion.id, reason=reason, data={})
        return True

    def stop_asked(self, promotion: Promotion) -> str:
        """Why somebody has asked for it to stop; "" where nobody has."""
        found = self._records().entries(actions=(STOP_ASKED,), subjects=(promotion.id,), newest=1)
        return found[-1].reason if found else ""

    def end_waiting(self) -> None:
        """What the run has left waiting waits for nobody any more: the run is over."""
        found = self._records().promotions(repository=self.requester.repository, under_way=True, limit=10_000)
        for item in found:
            if item.run == self.requester.run and item.state in WAITS:
                self.move(item, PromotionState.SUPERSEDED, detail="its run is over")

    def decided(self, promotion: Promotion) -> str:
        """The last of `DECIDED` that was written of a promotion, or ""."""
        found = self._records().entries(actions=DECIDED, subjects=(promotion.id,), newest=1)
        return found[-1].action if found else ""

    def share(self, promotion: Promotion) -> int:
        """The share of the traffic that a canary was last ordered to have; 0 where none was."""
        found = self._records().entries(actions=(SHIFTING,), subjects=(promotion.id,), newest=1)
        share = found[-1].data.get("share") if found else None
        return share if isinstance(share, int) else 0

    def _moment(self) -> datetime:
        """Now, and after the last end in the ledger: which one is the latest must not depend on clocks set back."""
        now = self._clock.now()
        last = self._records().entries(actions=END_ACTIONS, newest=1)
        told = last[-1].data.get("promotion") if last else None
        finished = told.get("finished") if isinstance(told, Mapping) else None
        end = datetime.fromisoformat(finished) if isinstance(finished, str) else now
        return now if end < now else end + timedelta(microseconds=1)

    def _save(
        self, promotion: Promotion, action: str, data: Mapping[str, Value], *, seen: PromotionState | None
    ) -> Promotion:
        lease = None
        if self._lease is not None:
            self._lease.check()
            lease = self._lease.current
        self._records().save_promotion(
            promotion,
            actor=self.requester.actor or "unknown",
            action=action,
            data=data,
            seen=seen,
            lease=lease,
        )
        return promotion


def _spelled(plan: PromotionPlan) -> Value:
    return {
        "release": plan.release,
        "replaces": plan.replaces,
        "kind": plan.kind.value,
        "configuration": plan.configuration,
        "policy": plan.policy,
        "strategy": plan.strategy,
    }
