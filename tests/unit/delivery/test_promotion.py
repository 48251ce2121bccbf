"""What should be live, and how it differs from what runs: pure decisions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.delivery.promotion import ACTIONS, UNFINISHED, advance, drift, expected_release
from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.ports.target import Instance, Observed

S = PromotionState
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def promotion(state: PromotionState, release: str = "new", replaces: str = "") -> Promotion:
    return Promotion(
        id=f"{release}-{state}",
        release=release,
        environment="dev",
        kind=PromotionKind.PROMOTE,
        state=state,
        requested_by="anna",
        reason="",
        created=NOW,
        replaces=replaces,
    )


def instance(release: str, *, serving: bool = True, healthy: bool | None = None) -> Instance:
    return Instance(
        name=f"c-{release}", image="i", release=release, promotion="p", serving=serving, healthy=healthy
    )  # fmt: skip


@pytest.mark.parametrize(
    ("newest_first", "expected"),
    [
        pytest.param([], "", id="nothing-yet"),
        pytest.param([promotion(S.DEPLOYED)], "new", id="deployed"),
        pytest.param([promotion(S.FAILED), promotion(S.DEPLOYED, "old")], "old", id="failed-changes-nothing"),
        pytest.param([promotion(S.REFUSED), promotion(S.DEPLOYED, "old")], "old", id="refused-changes-nothing"),
        pytest.param([promotion(S.ROLLED_BACK, "new", "old"), promotion(S.DEPLOYED, "old")], "old", id="rolled-back"),
        pytest.param([promotion(S.PARTIAL), promotion(S.DEPLOYED, "old")], "new", id="kept-by-on-failure"),
        pytest.param([promotion(S.PLANNED), promotion(S.DEPLOYED, "old")], "old", id="planned-is-not-live"),
    ],
)
def test_the_release_that_should_be_live(newest_first: list[Promotion], expected: str) -> None:
    assert expected_release(newest_first) == expected


@pytest.mark.parametrize(
    ("expected", "instances", "said"),
    [
        pytest.param("a", [instance("a")], [], id="agrees"),
        pytest.param("", [], [], id="nothing-expected-nothing-there"),
        pytest.param("a", [instance("a"), instance("b", serving=False)], [], id="kept-ones-do-not-count"),
        pytest.param("a", [], ["nothing serves, but the ledger says release a is live"], id="gone"),
        pytest.param("a", [instance("b")], ["c-b serves release b, but the ledger says release a is live"], id="other"),
        pytest.param("", [instance("b")], ["c-b serves release b, but the ledger says that nothing is live"], id="new"),
        pytest.param("a", [instance("a", healthy=False)], ["c-a serves but is unhealthy"], id="unhealthy"),
    ],
)
def test_drift_is_told_in_sentences(expected: str, instances: list[Instance], said: list[str]) -> None:
    assert list(drift(expected, Observed(instances=tuple(instances)))) == said


@pytest.mark.parametrize("state", list(PromotionState))
def test_only_moves_of_the_table_are_made(state: PromotionState) -> None:
    for wanted in PromotionState:
        if wanted in PROMOTION_MOVES[state]:
            moved = advance(promotion(state), wanted, now=NOW)
            assert (moved.state, moved.finished is not None) == (wanted, not PROMOTION_MOVES[wanted])
        else:
            with pytest.raises(ValueError, match="cannot go from"):
                advance(promotion(state), wanted, now=NOW)


def test_every_state_has_an_action_and_no_end_is_unfinished() -> None:
    assert set(ACTIONS) == set(PromotionState)
    assert len(set(ACTIONS.values())) == len(ACTIONS)
    assert all(PROMOTION_MOVES[state] for state in UNFINISHED)
