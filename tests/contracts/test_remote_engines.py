"""The docker target on engines of other hosts, over TCP with TLS and through ssh, behind one proxy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from environment.haproxy import Haproxy
from environment.load import load
from environment.progress import UnavailableError
from environment.remote import Remote, remote
from target_ground import Engine, order

from pipeline.errors import EcluseError, UsageError
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import RolloutResult, Target

BLUE_GREEN = Strategy(kind=StrategyKind.BLUE_GREEN)


@pytest.fixture(scope="module")
def far(short_folder: Path, engine: str, images: Any) -> Iterator[Remote]:
    """An engine on a host of its own, with busybox."""
    try:
        with remote(Path(tempfile.mkdtemp(prefix="far-", dir=short_folder))) as made:
            made.provide(images.busybox, source=engine)
            yield made
    except UnavailableError as error:
        pytest.fail(f"test environment: {error}", pytrace=False)


def roll(target: Target, image: str, promotion: str, strategy: Strategy | None = None) -> RolloutResult:
    ordered = order(promotion, image, strategy=strategy, timeout=120)  # through ssh, a look takes seconds
    return target.roll_out(ordered, progress=print, cancel=Cancellation())


def by_tls(far: Remote) -> dict[str, Value]:
    return {"host": far.tls_url, "name": "far", "tls": far.identity.tls}


def by_ssh(far: Remote) -> dict[str, Value]:
    return {"host": far.ssh_url, "name": "far"}


def test_replicas_are_spread_over_engines_and_exchanged_without_a_lost_request(
    proxy: Haproxy, docker: Engine, far: Remote
) -> None:
    hosts: list[Value] = [{"host": docker.settings.docker_host, "name": "near"}, by_tls(far)]
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
    address, _, port = far.node.docker("ps", "--format", "{{.Ports}}").partition("->")[0].rpartition(":")
    least, most = docker.seats.split("-")
    assert (address, int(least) <= int(port) <= int(most)) == (far.address, True)
    target.remove()
    assert far.node.docker("ps", "-aq") == ""


def test_a_replica_is_exchanged_through_ssh_without_a_lost_request(
    monkeypatch: pytest.MonkeyPatch, proxy: Haproxy, docker: Engine, far: Remote
) -> None:
    """Each request is an ssh session here: tests/soak/test_far_engine.py goes all the way by it."""
    monkeypatch.setenv("PATH", f"{far.ssh_folder}{os.pathsep}{os.environ['PATH']}")
    target = docker.proxied(proxy, hosts=[by_ssh(far)], replicas=1)
    first = roll(target, docker.image, "p1")
    assert first.succeeded, first.reason
    assert [item.addresses[0].partition(":")[0] for item in first.observed.serving] == [far.address]
    with load(proxy.ports["added"]) as said:
        said.await_answers(100)
        assert roll(target, docker.image, "p2", BLUE_GREEN).succeeded
        assert set(said.await_answers(100)) == {"p2"}
    assert said.failures == []
    target.remove()
    assert far.node.docker("ps", "-aq") == ""


def test_one_container_on_an_engine_of_another_host(docker: Engine, far: Remote) -> None:
    target = docker.target(host=far.tls_url, tls=far.identity.tls, publish=[f"{far.address}:8080:8080"])
    result = roll(target, docker.image, "p1")
    assert result.succeeded, result.reason
    (serving,) = result.observed.serving
    assert serving.addresses == (f"{far.address}:8080",)


def test_an_engine_that_does_not_know_us_is_said_before_anything_starts(
    proxy: Haproxy, docker: Engine, far: Remote
) -> None:
    near: Value = {"host": docker.settings.docker_host, "name": "near"}
    stranger: Value = {
        "host": far.tls_url,
        "name": "far",
        "tls": {**far.stranger.tls, "ca": str(far.identity.authority)},
    }
    with pytest.raises(EcluseError, match=f"cannot reach the engine at {far.tls_url}"):
        docker.proxied(proxy, hosts=[near, stranger])


def test_certificates_that_are_not_there_are_said(proxy: Haproxy, docker: Engine, far: Remote) -> None:
    lost: Value = {"host": far.tls_url, "tls": {**far.identity.tls, "key": "/nowhere/key.pem"}}
    with pytest.raises(UsageError, match=f"certificates for the engine at {far.tls_url} cannot be used"):
        docker.proxied(proxy, hosts=[lost])


def test_an_ssh_host_that_does_not_answer_is_said(
    monkeypatch: pytest.MonkeyPatch, proxy: Haproxy, docker: Engine, far: Remote
) -> None:
    monkeypatch.setenv("PATH", f"{far.ssh_folder}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(EcluseError, match="ssh://root@"):
        docker.proxied(proxy, hosts=[{"host": f"ssh://root@{far.address}:22"}])
