"""Putting right what promoters left half-way who were killed: decided from the ledger, then done on the target."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.delivery.journal import PromotionJournal
from pipeline.delivery.passage import Passage
from pipeline.delivery.promotion import GOING_BACK, KEEPING
from pipeline.model.release import Promotion
from pipeline.model.status import PromotionState
from pipeline.ports.target import Progress

PATIENCE = timedelta(minutes=10)
"""After so long, whoever planned a promotion and neither began it nor left it waiting is dead."""


class Repair(StrEnum):
    """What is to be done with a promotion whose promoter is dead."""

    NONE = "none"
    SUPERSEDE = "supersede"
    GIVE_UP = "give_up"
    GO_BACK = "go_back"
    CARRY_ON_KEEPING = "keep"
    JUDGE_AS_FAILED = "fail"


def repair_of(promotion: Promotion, *, decided: str, now: datetime) -> Repair:
    """By its state and the last decision in the ledger. The environment's lease is ours, so nobody brings it in.

    What was decided is carried through: a verified version whose predecessor was about to go must not be taken back,
    because that one may be gone already.
    """
    match promotion.state:
        case PromotionState.PLANNED:
            return Repair.SUPERSEDE if now - promotion.created >= PATIENCE else Repair.NONE
        case PromotionState.LOCKED:
            return Repair.GIVE_UP
        case PromotionState.ROLLING_OUT:
            return Repair.GO_BACK  # whatever was decided: no version is kept before all of it serves
        case PromotionState.VERIFYING if decided == KEEPING:
            return Repair.CARRY_ON_KEEPING
        case PromotionState.VERIFYING if decided == GOING_BACK:
            return Repair.GO_BACK
        case PromotionState.VERIFYING:
            return Repair.JUDGE_AS_FAILED
        case _:
            return Repair.NONE


def put_right(passage: Passage, journal: PromotionJournal, *, now: datetime, progress: Progress) -> None:
    """End one promotion that its promoter left. Errors of the target leave, and it stays as it was."""
    promotion = passage.promotion
    wanted = repair_of(promotion, decided=journal.decided(promotion), now=now)
    if wanted is Repair.NONE:
        return
    by = f"run {promotion.run}" if promotion.run else promotion.requested_by
    whose = "its run" if promotion.run else "its promoter"
    progress(f"promotion {promotion.id} was left {promotion.state} by {by}; putting it right")
    match wanted:
        case Repair.SUPERSEDE:
            journal.move(promotion, PromotionState.SUPERSEDED, detail=f"{whose} ended before it began")
        case Repair.GIVE_UP:
            passage.give_up(f"{whose} ended before anything was changed")
        case Repair.GO_BACK:
            passage.go_back(f"{whose} ended while it was rolled out", progress)
        case Repair.CARRY_ON_KEEPING:
            passage.kept("verified", progress)
        case Repair.JUDGE_AS_FAILED:
            passage.fail(f"{whose} ended before it was verified", progress)
