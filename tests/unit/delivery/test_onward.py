"""Where a release goes next by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from delivery_ground import DEV, NOW

from pipeline.delivery.onward import next_environments
from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.status import PromotionState

S = PromotionState
STAGING = replace(DEV, name="staging", after=("dev",))
PROD = replace(DEV, name="prod", after=("staging", "audit"))
AUDIT = replace(DEV, name="audit", after=("dev",), automatic=False)
ALL = (DEV, STAGING, AUDIT, PROD)


def promotion(environment: str, release: str = "new", state: PromotionState = S.DEPLOYED, *, end: int = 1) -> Promotion:
    return Promotion(
        id=f"{environment}-{release}-{end}",
        release=release,
        environment=environment,
        kind=PromotionKind.PROMOTE,
        state=state,
        requested_by="anna",
        reason="",
        created=NOW,
        finished=NOW + timedelta(minutes=end),
    )


@pytest.mark.parametrize(
    ("promotions", "asked_for", "expected"),
    [
        pytest.param([], (), [], id="nowhere-yet"),
        pytest.param([promotion("dev")], (), ["staging"], id="the-next-one-and-not-where-people-ask"),
        pytest.param([promotion("dev")], ("staging",), [], id="a-stage-sees-to-it"),
        pytest.param([promotion("dev", state=S.ROLLED_BACK)], (), [], id="taken-back-there"),
        pytest.param([promotion("dev", state=S.PARTIAL)], (), [], id="not-verified-there"),
        pytest.param([promotion("dev"), promotion("dev", "newer", end=2)], (), [], id="a-newer-one-is-live-there"),
        pytest.param([promotion("dev"), promotion("dev", "newer", S.REFUSED, end=2)], (), ["staging"], id="refused"),
        pytest.param([promotion("dev"), promotion("staging", state=S.REFUSED)], (), [], id="refused-before"),
        pytest.param([promotion("dev"), promotion("staging", state=S.WAITING)], (), [], id="waits-there"),
        pytest.param([promotion("dev"), promotion("staging")], (), [], id="all-of-after-and-not-one"),
        pytest.param([promotion("dev"), promotion("staging"), promotion("audit")], (), ["prod"], id="all-of-after"),
    ],
)
def test_a_release_goes_on_where_all_before_have_verified_it(
    promotions: list[Promotion], asked_for: tuple[str, ...], expected: list[str]
) -> None:
    found = next_environments(ALL, "new", promotions, asked_for=asked_for)
    assert [environment.name for environment in found] == expected
