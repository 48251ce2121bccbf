"""The life of a promotion as pure decisions: allowed moves, ledger actions, what should be live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from pipeline.model.release import Measurement, Promotion
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.model.value import Value
from pipeline.ports.target import Observed

ACTIONS: Final[Mapping[PromotionState, str]] = {
    PromotionState.PLANNED: "promotion.requested",
    PromotionState.WAITING: "promotion.waiting",
    PromotionState.LOCKED: "promotion.locked",
    PromotionState.ROLLING_OUT: "promotion.rolling_out",
    PromotionState.VERIFYING: "promotion.verifying",
    PromotionState.DEPLOYED: "promotion.deployed",
    PromotionState.ROLLED_BACK: "promotion.rolled_back",
    PromotionState.PARTIAL: "promotion.partial",
    PromotionState.REFUSED: "promotion.refused",
    PromotionState.SUPERSEDED: "promotion.superseded",
    PromotionState.FAILED: "promotion.failed",
}
"""What the ledger calls the step into each state."""

END_ACTIONS: Final = frozenset(action for state, action in ACTIONS.items() if not PROMOTION_MOVES[state])
"""What the ledger calls the steps into states that are ends."""

MEASURED: Final = "promotion.measured"
"""Checks were made and kept; the state stays."""

REPLANNED: Final = "promotion.replanned"
"""While it waited, what it would change became another thing."""

OVERRIDDEN: Final = "promotion.overridden"
"""Somebody has taken it up and opens its gates by force."""

STOP_ASKED: Final = "promotion.stop_asked"
"""Somebody goes back in the environment, and wants it to stop."""

SHIFTING: Final = "promotion.shifting"
"""A canary is about to get another share of the traffic."""

KEEPING: Final = "promotion.keeping"
"""The new version stays: what it replaced is about to be removed."""

GOING_BACK: Final = "promotion.going_back"
"""What it replaced is about to get the traffic back."""

DECIDED: Final = frozenset({KEEPING, GOING_BACK})
"""What was decided on a promotion, and has to be carried through by whoever comes after one that was killed."""

UNFINISHED: Final = frozenset(
    {PromotionState.PLANNED, PromotionState.LOCKED, PromotionState.ROLLING_OUT, PromotionState.VERIFYING}
)
"""States in which only somebody alive may leave a promotion; `waiting` waits for people."""

WAITS: Final = frozenset({PromotionState.PLANNED, PromotionState.WAITING})
"""States in which nothing was done yet, and nothing is held."""

BEGUN: Final = frozenset({PromotionState.LOCKED, PromotionState.ROLLING_OUT, PromotionState.VERIFYING})
"""States in which the environment's lease is held by whoever brings it in."""


def advance(
    promotion: Promotion, state: PromotionState, *, now: datetime, detail: str = "", gap: float | None = None
) -> Promotion:
    """The promotion in its next state; ValueError for a move that PROMOTION_MOVES does not have."""
    if state not in PROMOTION_MOVES[promotion.state]:
        raise ValueError(f"promotion {promotion.id} cannot go from {promotion.state} to {state}")
    return replace(
        promotion,
        state=state,
        detail=detail or promotion.detail,
        gap=promotion.gap if gap is None else gap,
        finished=None if PROMOTION_MOVES[state] else now,
    )


def measured(promotion: Promotion, measurements: Sequence[Measurement]) -> Promotion:
    """The promotion with further measurements."""
    return replace(promotion, measurements=(*promotion.measurements, *measurements))


def by_end(promotions: Iterable[Promotion]) -> list[Promotion]:
    """Those that are under way first, then those that ended, the latest end first: one that waited long may have been
    made before another that it replaced."""
    return sorted(promotions, key=lambda item: (item.finished is None, item.finished or item.created), reverse=True)


def expected_release(promotions: Sequence[Promotion]) -> str:
    """The release id that should be live, from the promotions of one environment; "" for none.

    A promotion that was rolled back left what it replaced; one that was refused or failed before its end changed
    nothing that lasts.
    """
    for promotion in by_end(promotions):
        match promotion.state:
            case PromotionState.DEPLOYED | PromotionState.PARTIAL | PromotionState.VERIFYING:
                return promotion.release
            case PromotionState.ROLLED_BACK:
                return promotion.replaces
            case _:
                continue
    return ""


def ended_as(promotion: Promotion, observed: Observed) -> tuple[PromotionState, str]:
    """The end that the target's own word makes of a promotion that was taken back or given up, and what serves.

    `rolled_back`: only what it replaced serves. `failed`: nothing does, or there was nothing else to go back to.
    `partial`: something else, or several.
    """
    live = {item.release for item in observed.serving}
    if not live:
        return PromotionState.FAILED, "nothing serves"
    if live == {promotion.replaces} and promotion.replaces != promotion.release:
        return PromotionState.ROLLED_BACK, "the old version serves"
    if live == {promotion.release} == {promotion.replaces}:
        return PromotionState.FAILED, "the same release was live before, so there is nothing to go back to"
    return PromotionState.PARTIAL, "; ".join(f"{item.name} runs {_short(item.release)}" for item in observed.serving)


def drift(expected: str, observed: Observed) -> tuple[str, ...]:
    """What runs otherwise than the ledger says, a sentence each; empty when they agree."""
    live = {item.release for item in observed.serving}
    if not live:
        return (f"nothing serves, but the ledger says {_short(expected)} is live",) if expected else ()
    found = [
        f"{item.name} serves {_short(item.release)}, but the ledger says "
        + (f"{_short(expected)} is live" if expected else "that nothing is live")
        for item in observed.serving
        if item.release != expected
    ]
    found += [f"{item.name} serves but is unhealthy" for item in observed.serving if item.healthy is False]
    return tuple(found)


def picture(observed: Observed) -> Value:
    """What runs where, for the ledger."""
    return [
        {
            "name": item.name,
            "image": item.image,
            "release": item.release,
            "promotion": item.promotion,
            "serving": item.serving,
            "healthy": item.healthy,
        }
        for item in observed.instances
    ]


def _short(release: str) -> str:
    return "release " + release.removeprefix("sha256:")[:12]
