"""Writing a promotion down: each step goes into the records and the ledger before the next one begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from pipeline.delivery.promotion import ACTIONS, MEASURED, advance, measured, picture
from pipeline.errors import UsageError
from pipeline.model.release import Measurement, Promotion, PromotionKind, Release
from pipeline.model.run import Run
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.model.ulid import ulid
from pipeline.model.value import Value
from pipeline.ports.clock import Clock
from pipeline.ports.records import Records
from pipeline.ports.target import Observed


class PromotionJournal:
    """The promotions of one run's repository, written on behalf of that run. Errors that may leave: RecordsError."""

    def __init__(self, *, run: Run, records: Callable[[], Records], clock: Clock) -> None:
        self._run = run
        self._records = records
        self._clock = clock

    def begin(self, release: Release, environment: str, *, replaces: str) -> Promotion:
        """A new promotion, `planned`; `replaces` is the release that serves now."""
        now = self._clock.now()
        promotion = Promotion(
            id=ulid(now, os.urandom(10)),
            release=release.id,
            environment=environment,
            kind=PromotionKind.PROMOTE,
            state=PromotionState.PLANNED,
            requested_by=self._run.actor,
            reason=f"run {self._run.id}",
            created=now,
            replaces=replaces,
            run=self._run.id,
        )
        return self._save(promotion, ACTIONS[promotion.state], {})

    def measure(self, promotion: Promotion, measurements: tuple[Measurement, ...]) -> Promotion:
        """Keep further measurements; the state stays."""
        if not measurements:
            return promotion
        passed = sum(1 for item in measurements if item.passed)
        data: dict[str, Value] = {"passed": passed, "failed": len(measurements) - passed}
        return self._save(measured(promotion, measurements), MEASURED, data)

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
        moved = advance(promotion, state, now=self._clock.now(), detail=detail, gap=gap)
        return self._save(moved, ACTIONS[state], {**(data or {}), **({"runs": picture(seen)} if seen else {})})

    def history(self, environment: str) -> list[Promotion]:
        """The latest promotions of an environment, newest first."""
        return list(self._records().promotions(repository=self._run.repository, environment=environment, limit=50))

    def _save(self, promotion: Promotion, action: str, data: Mapping[str, Value]) -> Promotion:
        self._records().save_promotion(promotion, actor=self._run.actor or "unknown", action=action, data=data)
        return promotion
