"""The four figures of delivery, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.delivery.dora import Delivered, Step, failed, measure, value_stream
from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.status import PromotionState as State

DAY = datetime(2026, 11, 2, tzinfo=UTC)


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def promotion(
    name: str,
    state: State,
    end: float | None,
    *,
    took: float = 0.5,
    kind: PromotionKind = PromotionKind.PROMOTE,
    release: str = "",
    replaces: str = "",
) -> Promotion:
    """One that ended so many hours after the day began; its release is called as it is unless said otherwise."""
    return Promotion(
        id=name,
        release=release or name,
        environment="prod",
        kind=kind,
        state=state,
        requested_by="anna",
        reason="",
        created=at((end or 0) - took),
        finished=None if end is None else at(end),
        replaces=replaces,
    )


GOOD = promotion("good", State.DEPLOYED, 10)
BACK = PromotionKind.ROLLBACK


@pytest.mark.parametrize(
    ("promotions", "found"),
    [
        pytest.param([GOOD], {}, id="good"),
        pytest.param([promotion("bad", State.ROLLED_BACK, 10)], {"bad": 1800.0}, id="went back by itself"),
        pytest.param([promotion("bad", State.PARTIAL, 8), GOOD], {"bad": 7200.0}, id="half, until the next good one"),
        pytest.param([promotion("bad", State.FAILED, 8)], {"bad": None}, id="still wrong"),
        pytest.param(
            [promotion("bad", State.DEPLOYED, 8), promotion("r", State.DEPLOYED, 9, kind=BACK, replaces="bad")],
            {"bad": 3600.0},
            id="rolled back by somebody",
        ),
        pytest.param(
            [promotion("old", State.DEPLOYED, 7), promotion("r", State.DEPLOYED, 9, kind=BACK, replaces="other")],
            {},
            id="a rollback of something else",
        ),
        pytest.param(
            [
                promotion("bad", State.DEPLOYED, 7),
                promotion("try", State.FAILED, 8, kind=BACK, replaces="bad"),
                promotion("r", State.DEPLOYED, 9, kind=BACK, replaces="bad"),
            ],
            {"bad": 7200.0},
            id="the first rollback did not work",
        ),
        pytest.param([promotion("no", State.REFUSED, 8), promotion("run", State.VERIFYING, None)], {}, id="none tried"),
    ],
)
def test_what_went_wrong_and_for_how_long(promotions: list[Promotion], found: dict[str, float | None]) -> None:
    assert failed(promotions) == found


def test_the_figures_of_a_week() -> None:
    delivered = [
        Delivered(promotion=promotion("early", State.DEPLOYED, -5), commits=(at(-6),)),
        Delivered(promotion=promotion("a", State.DEPLOYED, 10), commits=(at(4), at(8))),
        Delivered(promotion=promotion("b", State.ROLLED_BACK, 20), commits=()),
        Delivered(promotion=promotion("no", State.REFUSED, 21)),
        Delivered(promotion=promotion("c", State.DEPLOYED, 30), commits=(at(28),)),
        Delivered(promotion=promotion("d", State.DEPLOYED, 40), commits=(at(39),)),
        Delivered(promotion=promotion("r", State.DEPLOYED, 42, kind=BACK, release="c", replaces="d")),
        Delivered(promotion=promotion("late", State.DEPLOYED, 24 * 7), commits=(at(0),)),
    ]
    found = measure("prod", delivered, since=DAY, until=DAY + timedelta(days=7))
    assert found.deployments == 3, "only what ended within the week, and rollbacks are no deployments"
    assert found.per_day == pytest.approx(3 / 7)
    assert (found.lead_time, found.changes) == (2 * 3600, 3), "2 of [6, 2, 2] hours; of what was rolled back none"
    assert (found.failures, found.failure_rate) == (2, 0.5)
    assert (found.restore, found.restored) == (pytest.approx((1800 + 7200) / 2), 2)


def test_nothing_to_measure_is_said() -> None:
    found = measure("prod", [], since=DAY, until=DAY + timedelta(days=7))
    assert (found.deployments, found.lead_time, found.failure_rate, found.restore) == (0, None, None, None)


def test_the_value_stream_takes_the_median_of_those_that_passed_both() -> None:
    journeys = [
        {"commit": at(0), "run": at(1), "dev": at(2)},
        {"commit": at(0), "run": at(3), "prod": at(9)},
        {"run": at(0), "dev": at(4)},
    ]
    assert value_stream(journeys, ["commit", "run", "dev", "prod"]) == (
        Step(name="commit → run", seconds=2 * 3600, releases=2),
        Step(name="run → dev", seconds=2.5 * 3600, releases=2),
    )
