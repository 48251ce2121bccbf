"""Replicas here and on another host, exchanged and brought back; each request to that engine is an ssh session."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.target_ground import Engine, order
from environment.haproxy import Haproxy, haproxy
from environment.load import load
from environment.remote import Remote, remote

from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import RolloutResult
from pipeline.targets.docker.proxied import ProxiedTarget

BLUE_GREEN = Strategy(kind=StrategyKind.BLUE_GREEN)


@pytest.fixture
def far(short_folder: Path, engine: str, images: object) -> Iterator[Remote]:
    with remote(Path(tempfile.mkdtemp(prefix="far-", dir=short_folder))) as made:
        made.provide(images.busybox, source=engine)  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def proxy(short_folder: Path) -> Iterator[Haproxy]:
    with haproxy(Path(tempfile.mkdtemp(prefix="haproxy-", dir=short_folder))) as made:
        yield made


@pytest.fixture
def docker(far: Remote, proxy: Haproxy, engine: str, tmp_home: Path, images: object) -> Iterator[Engine]:
    subject = Engine(engine, tmp_home, images.busybox)  # type: ignore[attr-defined]
    yield subject
    subject.clear()


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_replicas_are_exchanged_and_brought_back_through_ssh_without_a_lost_request(
    monkeypatch: pytest.MonkeyPatch, proxy: Haproxy, docker: Engine, far: Remote
) -> None:
    monkeypatch.setenv("PATH", f"{far.ssh_folder}{os.pathsep}{os.environ['PATH']}")
    hosts: list[Value] = [{"host": docker.settings.docker_host, "name": "near"}, {"host": far.ssh_url, "name": "far"}]
    target = docker.proxied(proxy, hosts=hosts, replicas=3)
    first = roll(target, docker.image, "p1")
    assert first.succeeded, first.reason
    assert sorted(item.place for item in first.observed.serving) == ["far", "near", "near"]
    with load(proxy.ports["added"]) as said:
        said.await_answers(100)
        assert roll(target, docker.image, "p2", BLUE_GREEN).succeeded
        assert set(said.await_answers(100)) == {"p2"}
        assert target.roll_back("p2", progress=print).succeeded
        assert set(said.await_answers(100)) == {"p1"}
    assert said.failures == []
    target.remove()
    assert far.node.docker("ps", "-aq") == ""


def roll(target: ProxiedTarget, image: str, promotion: str, strategy: Strategy | None = None) -> RolloutResult:
    ordered = order(promotion, image, strategy=strategy, timeout=120)
    return target.roll_out(ordered, progress=print, cancel=Cancellation())
