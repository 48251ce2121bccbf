"""Promoters behind a real HAProxy killed right after each of their steps: going back and going on work from there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.proxied_killing import assert_kills_are_survived
from contracts.target_ground import Engine, order
from environment.haproxy import Haproxy, haproxy

from pipeline.model.strategy import StrategyKind
from pipeline.ports.cancellation import Cancellation

STEPS = {
    StrategyKind.ROLLING: {"create_container_from_config": 2, "start": 2, "tell": 4},
    StrategyKind.BLUE_GREEN: {"create_container_from_config": 2, "start": 2, "tell": 3},
    StrategyKind.CANARY: {"create_container_from_config": 2, "start": 2, "tell": 3},
    StrategyKind.RECREATE: {"stop": 2, "create_container_from_config": 2, "start": 2, "tell": 3},
}
"""How often a rollout of two replicas makes each of its calls."""


@pytest.fixture
def proxy(short_folder: Path) -> Iterator[Haproxy]:
    with haproxy(Path(tempfile.mkdtemp(prefix="haproxy-", dir=short_folder))) as made:
        yield made


@pytest.fixture
def docker(proxy: Haproxy, engine: str, tmp_home: Path, images: object) -> Iterator[Engine]:
    """The engine, with version p1 behind the proxy."""
    subject = Engine(engine, tmp_home, images.busybox)  # type: ignore[attr-defined]
    subject.proxied(proxy).roll_out(order("p1", subject.image), progress=print, cancel=Cancellation())
    yield subject
    subject.clear()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("kind", "method", "times"),
    [
        pytest.param(kind, method, times, id=f"{kind}-{method}-{times}")
        for kind, steps in STEPS.items()
        for method, number in steps.items()
        for times in range(1, number + 1)
    ],
)
def test_whoever_comes_after_a_kill_finds_what_runs_and_goes_on_or_back(
    docker: Engine, proxy: Haproxy, kind: StrategyKind, method: str, times: int
) -> None:
    assert_kills_are_survived(docker, proxy, kind, method, times)
