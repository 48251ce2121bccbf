"""Environments with a repository of their own: copied to before the rollout, and enough to go back by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from delivery_ground import DEV, Ground, release

from pipeline.errors import CancelledError, EcluseError, RegistryBusyError
from pipeline.model.release import PromotionKind
from pipeline.model.status import PromotionState
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress

OWN = "prod.example.org/shop"


@dataclass
class Shelf:
    """A registry in memory: it has what it was told to copy."""

    images: set[str] = field(default_factory=set)
    copies: int = 0
    error: EcluseError | None = None

    def has(self, image: str) -> bool:
        return image in self.images

    def copy(self, source: str, target: str, *, progress: Progress, cancel: Cancellation) -> str:
        if self.error is not None:
            raise self.error
        self.copies += 1
        progress(f"copying {source}")
        copied = f"{target}@{source.partition('@')[2]}"
        self.images.add(copied)
        return copied


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path, environment=replace(DEV, registry=OWN), registry=Shelf())


def shelf(ground: Ground) -> Shelf:
    assert isinstance(ground.registry, Shelf)
    return ground.registry


def test_the_copy_is_what_runs(ground: Ground) -> None:
    promotion = ground.promote(release("a"))
    assert promotion.state is PromotionState.DEPLOYED
    assert [item.image for item in ground.place.instances] == [f"{OWN}@sha256:{'a' * 64}"]
    (rolling,) = [item for item in ground.records.ledger() if item.action == "promotion.rolling_out"]
    assert rolling.data["image"] == f"{OWN}@sha256:{'a' * 64}"
    assert ground.claimed() == release("a").id


def test_going_back_needs_nothing_of_the_first_registry(ground: Ground) -> None:
    ground.promote(release("a"))
    ground.promote(release("b"))
    shelf(ground).error = RegistryBusyError("gone")
    back = ground.promote(release("a"), kind=PromotionKind.ROLLBACK)
    assert (back.state, ground.live()) == (PromotionState.DEPLOYED, {release("a").id})
    assert shelf(ground).copies == 2


@pytest.mark.parametrize(
    "error",
    [pytest.param(RegistryBusyError("no answer"), id="busy"), pytest.param(CancelledError("enough"), id="stop")],
)
def test_a_copy_that_fails_touches_nothing(ground: Ground, error: EcluseError) -> None:
    ground.promote(release("a"))
    before = list(ground.place.instances)
    shelf(ground).error = error
    with pytest.raises(type(error)):
        ground.promote(release("b"))
    assert ground.place.instances == before
    assert ground.history()[0].state is PromotionState.FAILED
    assert error.message in ground.history()[0].detail
    assert ground.holds()
    shelf(ground).error = None
    assert ground.promote(release("b")).state is PromotionState.DEPLOYED
