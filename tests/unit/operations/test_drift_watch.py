"""What is known of drift without asking: the last answer, for as long as it is about what the ledger says is live."""

from __future__ import annotations

from pathlib import Path

import pytest
from ground import NOW, Ground
from test_comparing import deploy, scanned

from pipeline.errors import NotFoundError, TargetError
from pipeline.operations.drift_watch import AGAIN, DriftWatch


def brought(ground: Ground, letter: str, *, minutes: int) -> None:
    """Prod gets a release, as far as the ledger goes."""
    promotion = deploy(ground, letter * 64, "prod", scanned(ground, {}), minutes=minutes)
    place = {"target": {"kind": "docker", "options": {}, "service": "shop"}}
    ground.records.save_promotion(promotion, actor="anna", action="promotion.rolling_out", data=place)


def watched(tmp_path: Path) -> tuple[Ground, DriftWatch]:
    """Prod has something, and its target knows nothing of it."""
    ground = Ground(tmp_path / "home")
    brought(ground, "a", minutes=1)
    return ground, DriftWatch(ground)


def places(watch: DriftWatch) -> list[tuple[str, str]]:
    return [(item.repository, item.drift.environment) for item in watch.drifted()]


def test_nothing_is_known_before_anybody_asked(tmp_path: Path) -> None:
    _, watch = watched(tmp_path)
    assert places(watch) == []


@pytest.mark.parametrize("by", [pytest.param("round", id="the server"), pytest.param("ask", id="somebody")])
def test_what_was_asked_is_known_with_its_time(tmp_path: Path, by: str) -> None:
    _, watch = watched(tmp_path)
    found = watch.ask("shop", "prod") if by == "ask" else watch.round()
    assert places(watch) == [("shop", "prod")]
    (item,) = watch.drifted()
    assert (item.time, item.drift.observed) == (NOW, None)
    assert found is None or item.drift.differences == found.differences


def test_a_newer_release_makes_it_old(tmp_path: Path) -> None:
    ground, watch = watched(tmp_path)
    watch.round()
    brought(ground, "b", minutes=2)
    assert places(watch) == []


def test_targets_are_asked_again_only_after_a_while(tmp_path: Path) -> None:
    ground, watch = watched(tmp_path)
    watch.round()
    ground.place.errors["observe"] = TargetError("away")
    watch.round()
    assert places(watch) == [("shop", "prod")], "it was not asked again"
    ground.clock.passed = AGAIN
    watch.round()
    assert places(watch) == [], "a target that cannot be asked has not drifted"


def test_what_was_never_delivered_cannot_be_asked(tmp_path: Path) -> None:
    _, watch = watched(tmp_path)
    with pytest.raises(NotFoundError, match="nothing is deployed to an environment 'dev'"):
        watch.ask("shop", "dev")
