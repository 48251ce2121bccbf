"""Going back while something is brought in: it is asked to stop, goes back, and then the rollback has its turn."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from delivery_ground import Ground, release

from pipeline.delivery.planning import strategy_for
from pipeline.delivery.promoter import Order
from pipeline.delivery.stopping import stoppable
from pipeline.errors import CancelledError
from pipeline.model.release import PromotionKind
from pipeline.model.status import PromotionState
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Rollout
from pipeline.ports.verification import Verification


def test_a_rollback_stops_what_is_under_way_and_comes_after_it(tmp_path: Path) -> None:
    ground = Ground(home=tmp_path)
    ground.promote(release("a"))
    old, new, said = release("a"), release("b"), list[str]()
    ground.records.save_release(new)
    order = Order(release=new, environment=ground.environment, automatic=False)
    passage = ground.promoter().enter(order, progress=said.append, cancel=Cancellation())
    rollout = Rollout(
        environment="dev",
        release=new.id,
        promotion=passage.promotion.id,
        image=new.images["push"],
        strategy=strategy_for(ground.environment, PromotionKind.PROMOTE),
    )
    verifying, stopped = threading.Event(), list[str]()

    def bring_in() -> None:
        with stoppable(passage.promotion, passage.journal, Cancellation(), every=0.02) as cancel:

            def ask() -> Verification:
                verifying.set()
                cancel.wait(30)
                cancel.check()
                return ground.answer(new)

            try:
                passage.complete(rollout, verify=ask, progress=said.append, cancel=cancel)
            except CancelledError as error:
                stopped.append(error.message)
        passage.lease.release()

    bringing = threading.Thread(target=bring_in)
    bringing.start()
    assert verifying.wait(30)
    back = ground.promote(old, kind=PromotionKind.ROLLBACK, actor="bob")
    bringing.join(30)

    assert stopped == ["bob goes back in 'dev'"]
    first = ground.records.find_promotion(passage.promotion.id)
    assert (first.state, back.state) == (PromotionState.ROLLED_BACK, PromotionState.DEPLOYED)
    assert "stopped before it was verified: bob goes back in 'dev'" in first.detail
    assert (ground.live(), ground.claimed()) == ({old.id}, old.id)
    assert sum(line.startswith(f"asked promotion {first.id} to stop: verifying, begun by anna") for line in ground.said)
    assert [item.actor for item in ground.records.entries(actions=("promotion.stop_asked",))] == ["bob"]
    assert ground.holds()


@pytest.mark.parametrize("wish", ["somebody", ""], ids=["a-person", "the-end"])
def test_what_stops_the_work_stops_it_inside(tmp_path: Path, wish: str) -> None:
    ground, cancel = Ground(home=tmp_path), Cancellation()
    promotion = ground.promote(release("a"))
    with stoppable(promotion, ground.promoter().journal, cancel, every=0.02) as either:
        if wish:
            cancel.cancel(wish)
    cancel.cancel("later")
    assert (either.cancelled, either.reason) == (bool(wish), wish)
