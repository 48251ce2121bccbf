"""Which weights give a version its share, and which containers stand for what."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.targets.docker.engines import Engine
from pipeline.targets.docker.fleet import Deployed
from pipeline.targets.docker.replicas import Replica, shares, standing
from pipeline.targets.haproxy.backend import Seat, Server
from pipeline.targets.haproxy.weights import MOST, weights

NOWHERE = cast("Engine", None)
"""Who sorts containers out does not ask their engine."""


@given(share=st.integers(1, 99), one=st.integers(1, 12), more=st.integers(0, 12), swapped=st.booleans())
def test_weights_give_a_share_within_half_a_point(share: int, one: int, more: int, swapped: bool) -> None:
    """Where one version has at most twice as many containers as the other; beyond, 256 is too small a number."""
    new, old = (one, one + min(one, more))[:: -1 if swapped else 1]
    mine, theirs = weights(share, new=new, old=old)
    assert 1 <= mine <= MOST
    assert 1 <= theirs <= MOST
    assert abs(100 * mine * new / (mine * new + theirs * old) - share) <= 0.5


@pytest.mark.parametrize(
    ("share", "new", "old", "given"),
    [
        pytest.param(100, 3, 3, (100, 0), id="all"),
        pytest.param(0, 3, 3, (0, 100), id="none"),
        pytest.param(20, 3, 0, (100, 0), id="nobody-else"),
        pytest.param(50, 3, 3, (256, 256), id="half"),
        pytest.param(10, 1, 3, (85, 255), id="one-beside-three"),
    ],
)
def test_weights_at_the_ends(share: int, new: int, old: int, given: tuple[int, int]) -> None:
    assert weights(share, new=new, old=old) == given


def replica(promotion: str, *, weight: int = 0, replaces: str = "", running: bool = True) -> Replica:
    seat = Seat(address="127.0.0.1", port=20000)
    deployed = Deployed(
        id=promotion, name=promotion, image="", release="", promotion=promotion, replaces=replaces, spec="",
        rehearsal=False, running=running, restarts=0, exit_code=0, health="", networks={}, started=None, seat=seat,
    )  # fmt: skip
    server = Server(
        name="s", seat=seat, maintained=False, draining=not weight, up=True, weight=weight, checked=True, answered=True
    )
    return Replica(deployed=deployed, engine=NOWHERE, server=server)


@pytest.mark.parametrize(
    ("replicas", "mine", "base", "rest"),
    [
        pytest.param([], set(), set(), set(), id="nothing"),
        pytest.param([replica("p1", weight=100)], set(), {"p1"}, set(), id="one-serves"),
        pytest.param([replica("p1"), replica("p3", weight=100, replaces="p1")], {"p3"}, {"p1"}, set(), id="taken-over"),
        pytest.param(
            [replica("p1", weight=90), replica("p2", weight=10, replaces="p1")], set(), {"p1"}, {"p2"}, id="canary-left"
        ),
        pytest.param(
            [replica("p1"), replica("p2", weight=100, replaces="p1")], set(), {"p2"}, {"p1"}, id="unconfirmed-left"
        ),
        pytest.param(
            [replica("p1"), replica("p2", replaces="p1")], set(), {"p1"}, {"p2"}, id="nobody-serves-one-was-replaced"
        ),
        pytest.param([replica("p0", running=False), replica("p1")], set(), {"p1"}, {"p0"}, id="running-before-stopped"),
        pytest.param([replica("p0"), replica("p1")], set(), {"p1"}, {"p0"}, id="newest"),
    ],
)
def test_who_stands_for_what(replicas: list[Replica], mine: set[str], base: set[str], rest: set[str]) -> None:
    found = standing(replicas, "p3")
    assert tuple({item.promotion for item in part} for part in (found.mine, found.base, found.rest)) == (
        mine,
        base,
        rest,
    )


def test_shares_add_up_over_the_containers_of_a_version() -> None:
    replicas = [replica("p1", weight=40), replica("p1", weight=40), replica("p2", weight=20), replica("p0")]
    assert shares(replicas) == {"p1": 80, "p2": 20, "p0": 0}
