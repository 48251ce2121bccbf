"""No request is lost on a swarm behind a real HAProxy: by rolling, by a version that fails, and by a canary."""

from __future__ import annotations

from environment.haproxy import Haproxy
from environment.load import load
from environment.servers import eventually
from target_ground import ENDS, Cluster, order

from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Rollout, RolloutResult
from pipeline.targets.swarm.target import SwarmTarget

ROLLING = Strategy(kind=StrategyKind.ROLLING)
CANARY = Strategy(kind=StrategyKind.CANARY, steps=(33, 100))
POLITE = (
    'mkdir -p /w; echo "$VERSION" >/w/index.html; httpd -f -p 8080 -h /w & server=$!; '
    "trap 'kill $server; sleep 0.5; exit 0' TERM; wait $server"
)
"""It takes no more requests when it is told to end, and finishes those that it has."""


def roll(target: SwarmTarget, ordered: Rollout) -> RolloutResult:
    return target.roll_out(ordered, progress=print, cancel=Cancellation())


def behind(proxy: Haproxy, target: SwarmTarget) -> None:
    """Let the proxy ask the nodes."""
    for number, item in enumerate(target.observe().serving, start=1):
        address, _, port = item.addresses[0].partition(":")
        for words in (f"addr {address} port {port}", "state ready"):
            proxy.ask(f"set server declared/seat{number} {words}")


def _up(proxy: Haproxy) -> int:
    """How many instances the proxy finds well."""
    lines = [line.split() for line in proxy.ask("show servers state declared").splitlines()[2:]]
    return sum(1 for words in lines if words and words[5] == "2")


def test_no_request_is_lost_by_rolling_by_failing_nor_by_a_canary(
    cluster: Cluster, proxy: Haproxy, everywhere: dict[str, Value]
) -> None:
    target = cluster.target(script=POLITE, **everywhere)
    roll(target, order("p1", cluster.image))
    behind(proxy, target)
    with load(proxy.ports["declared"]) as said:
        assert set(said.await_answers(100)) == {"p1"}
        began = said.mark()
        assert roll(target, order("p2", cluster.image, strategy=ROLLING)).gap == 0.0
        assert set(said.counts(began)) == {"p1", "p2"}
        assert set(said.await_answers(100)) == {"p2"}
        failed = roll(cluster.target(script=ENDS, **everywhere), order("p3", cluster.image, strategy=ROLLING))
        assert (failed.succeeded, {item.promotion for item in failed.observed.serving}) == (False, {"p2"})
        assert "exit 3" in failed.reason
        assert failed.reason.endswith("cannot start")
        assert set(said.await_answers(100)) == {"p2"}
        roll(target, order("p4", cluster.image, strategy=CANARY))
        said.await_answers(200)  # the proxy has met the instance that went
        eventually(lambda: _up(proxy) == 3 or None, seconds=30, what="the proxy sees the one that came in its place")
        counts = said.await_answers(500)
        assert abs(100 * counts["p4"] / counts.total() - 33) <= 2, counts
        target.confirm("p4", progress=print)
        assert set(said.await_answers(100)) == {"p4"}
    assert said.failures == []
