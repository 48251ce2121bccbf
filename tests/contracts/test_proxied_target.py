"""What the docker target promises behind a real HAProxy: no request is lost, shares are right, kills are survived."""

from __future__ import annotations

import pytest
from environment.haproxy import Haproxy
from environment.load import Load, load
from environment.servers import eventually
from proxied_killing import assert_kills_are_survived
from target_ground import GOOD, Engine, order

from pipeline.errors import CancelledError, TargetError
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import RolloutResult
from pipeline.targets.docker.proxied import ProxiedTarget

ROLLING = Strategy(kind=StrategyKind.ROLLING, batch=1)
RECREATE = Strategy(kind=StrategyKind.RECREATE)
BLUE_GREEN = Strategy(kind=StrategyKind.BLUE_GREEN)
CANARY = Strategy(kind=StrategyKind.CANARY, steps=(25, 60, 100))
BROKEN = "mkdir -p /w; exec httpd -f -p 8080 -h /w"
"""It runs and listens, and answers each request with an error."""
LATE = f"( sleep 4; killall httpd ) & {GOOD}"
"""It becomes healthy, and ends after a while."""


@pytest.fixture
def rollout(proxy: Haproxy, docker: Engine) -> Engine:
    """The engine, with version p1 behind the proxy; cleared away while the proxy still runs."""
    roll(docker.proxied(proxy), docker, "p1")
    return docker


def roll(target: ProxiedTarget, docker: Engine, promotion: str, strategy: Strategy | None = None) -> RolloutResult:
    return target.roll_out(order(promotion, docker.image, strategy=strategy), progress=print, cancel=Cancellation())


def shift(target: ProxiedTarget, share: int) -> RolloutResult:
    return target.shift("p2", share, progress=print, cancel=Cancellation())


def near(said: Load, share: int) -> None:
    """p2 answers this percent of the next requests, give or take two."""
    counts = said.await_answers(500)
    assert abs(100 * counts["p2"] / counts.total() - share) <= 2, counts


@pytest.mark.parametrize("strategy", [pytest.param(ROLLING, id="rolling"), pytest.param(BLUE_GREEN, id="blue-green")])
def test_no_request_is_lost_on_the_way_there_nor_on_the_way_back(
    rollout: Engine, proxy: Haproxy, strategy: Strategy
) -> None:
    target = rollout.proxied(proxy)
    with load(proxy.ports["added"]) as said:
        said.await_answers(100)
        assert roll(target, rollout, "p2", strategy).succeeded
        assert set(said.await_answers(200)) == {"p2"}
        assert target.roll_back("p2", progress=print).succeeded
        assert set(said.await_answers(200)) == {"p1"}
        assert roll(target, rollout, "p3", strategy).succeeded
        target.confirm("p3", progress=print)
        assert set(said.await_answers(200)) == {"p3"}
    assert said.failures == []


def test_a_canary_gets_its_share_of_requests_and_none_is_lost(rollout: Engine, proxy: Haproxy) -> None:
    target = rollout.proxied(proxy)
    with load(proxy.ports["added"]) as said:
        roll(target, rollout, "p2", CANARY)
        near(said, 25)
        shift(target, 60)
        near(said, 60)
        shift(target, 100)
        assert set(said.await_answers(100)) == {"p2"}
        target.roll_back("p2", progress=print)
        assert set(said.await_answers(100)) == {"p1"}
    assert said.failures == []


@pytest.mark.parametrize(
    "strategy",
    [pytest.param(ROLLING, id="rolling"), pytest.param(BLUE_GREEN, id="blue-green"), pytest.param(CANARY, id="canary")],
)
def test_no_request_is_lost_to_a_version_that_does_not_become_healthy(
    rollout: Engine, proxy: Haproxy, strategy: Strategy
) -> None:
    bad = rollout.proxied(proxy, script="test $VERSION = p2 && exit 3; " + GOOD)
    with load(proxy.ports["added"]) as said:
        result = roll(bad, rollout, "p2", strategy)
        assert (result.succeeded, "exit 3" in result.reason) == (False, True)
        assert set(said.await_answers(100)) == {"p1"}
    assert said.failures == []


def test_only_the_bad_version_answers_badly_and_only_its_share(rollout: Engine, proxy: Haproxy) -> None:
    target = rollout.proxied(proxy, script=BROKEN)
    with load(proxy.ports["added"]) as said:
        assert roll(target, rollout, "p2", CANARY).succeeded
        since = said.mark()
        said.await_answers(400)
        bad, good = len(said.failures), said.counts(since).total()
        target.roll_back("p2", progress=print)
        after = len(said.failures)
        assert set(said.await_answers(200)) == {"p1"}
    assert {text[:3] for text in said.failures} == {"404"}
    assert abs(100 * bad / (bad + good) - 25) <= 2
    assert len(said.failures) == after


def test_a_canary_that_ends_is_given_no_more_and_loses_nothing(rollout: Engine, proxy: Haproxy) -> None:
    target = rollout.proxied(proxy, script=LATE)
    with load(proxy.ports["added"]) as said:
        assert roll(target, rollout, "p2", CANARY).succeeded
        said.await_answers(1200)
        result = shift(target, 60)
        assert not result.succeeded
        assert "p2" in result.reason
        target.roll_back("p2", progress=print)
        assert set(said.await_answers(100)) == {"p1"}
    assert said.failures == []


def test_going_back_to_a_version_that_was_stopped_ends_when_it_has_the_traffic(proxy: Haproxy, docker: Engine) -> None:
    target = docker.proxied(proxy, backend="unhurried", replicas=1)
    roll(target, docker, "p1")
    assert roll(target, docker, "p2", RECREATE).succeeded
    eventually(lambda: _states(proxy) == {"0", "2"} or None, seconds=30, what="HAProxy finds the old version down")
    back = target.roll_back("p2", progress=print)
    assert back.succeeded, back.reason
    assert {item.promotion: item.share for item in back.observed.serving} == {"p1": 100}
    with load(proxy.ports["unhurried"]) as said:
        assert set(said.await_answers(100)) == {"p1"}
    assert said.failures == []


def _states(proxy: Haproxy) -> set[str]:
    """What HAProxy finds of the seats that are taken: 0 is down, 2 is up."""
    lines = (line.split() for line in proxy.ask("show servers state unhurried").splitlines()[2:])
    return {words[5] for words in lines if words and words[6] != "5"}


def test_a_stopped_version_keeps_its_ports_from_other_environments(rollout: Engine, proxy: Haproxy) -> None:
    target = rollout.proxied(proxy)
    assert roll(target, rollout, "p2", RECREATE).succeeded
    other = rollout.proxied(proxy, backend="declared", name="other")
    assert roll(other, rollout, "q1").succeeded
    back = target.roll_back("p2", progress=print)
    assert back.succeeded, back.reason


def test_an_old_version_that_does_not_come_up_again_is_no_way_back(proxy: Haproxy, docker: Engine) -> None:
    target, said = docker.proxied(proxy, script=f"test -e /ran && exit 3; touch /ran; {GOOD}"), []
    roll(target, docker, "p1")
    assert roll(target, docker, "p2", RECREATE).succeeded
    back = target.roll_back("p2", progress=said.append)
    assert (back.succeeded, back.reason) == (False, "p1 does not come up again; the new one was removed")
    assert any("exit 3" in line for line in said), said


def test_a_rolling_update_that_is_stopped_gives_all_traffic_back(rollout: Engine, proxy: Haproxy) -> None:
    target, cancel = rollout.proxied(proxy), Cancellation()
    pausing = Strategy(kind=StrategyKind.ROLLING, batch=1, pause=60)

    def stop(line: str) -> None:
        if line.startswith("1 of 2 replicas"):
            cancel.cancel("enough")

    with load(proxy.ports["added"]) as said, pytest.raises(CancelledError):
        target.roll_out(order("p2", rollout.image, strategy=pausing), progress=stop, cancel=cancel)
    assert said.failures == []
    assert {item.promotion for item in target.observe().instances} == {"p1"}
    assert {item.share for item in target.observe().instances} == {100}


def test_declared_servers_keep_their_place_over_a_reload(proxy: Haproxy, docker: Engine) -> None:
    target = docker.proxied(proxy, backend="declared")
    roll(target, docker, "p1")
    roll(target, docker, "p2", CANARY)
    proxy.reload()
    assert {item.promotion: item.share for item in target.observe().serving} == {"p1": 75, "p2": 25}
    with load(proxy.ports["declared"]) as said:
        near(said, 25)
        shift(target, 100)
        assert set(said.await_answers(100)) == {"p2"}
        target.confirm("p2", progress=print)
    assert said.failures == []
    assert "spare 127.0.0.1 0 5" in proxy.ask("show servers state declared")


def test_added_servers_are_lost_by_a_reload_and_the_next_rollout_adds_them_again(
    rollout: Engine, proxy: Haproxy
) -> None:
    target = rollout.proxied(proxy)
    proxy.reload()
    assert target.observe().serving == ()
    assert roll(target, rollout, "p1").succeeded
    assert {item.share for item in target.observe().serving} == {100}
    proxy.reload()
    assert roll(target, rollout, "p2").succeeded
    assert target.roll_back("p2", progress=print).succeeded
    assert {item.promotion for item in target.observe().serving} == {"p1"}


def test_too_few_declared_servers_are_an_error_before_anything_starts(proxy: Haproxy, docker: Engine) -> None:
    target = docker.proxied(proxy, backend="declared", replicas=9)
    with pytest.raises(TargetError, match="8 free servers whose name begins with 'seat', and 9 are needed"):
        roll(target, docker, "p1")
    assert target.observe().instances == ()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"backend": "nowhere"}, "no backend 'nowhere'", id="backend"),
        pytest.param({"socket": "/nowhere/admin.sock"}, "cannot reach HAProxy at /nowhere/admin.sock", id="socket"),
    ],
)
def test_a_proxy_that_is_not_there_is_said(proxy: Haproxy, docker: Engine, more: dict[str, str], words: str) -> None:
    wanted = {"socket": proxy.api, "backend": "added", "port": 8080, **more}
    with pytest.raises(TargetError, match=words):
        docker.unreached({"haproxy": wanted}).observe()


def test_a_socket_without_rights_is_said_before_anything_serves(proxy: Haproxy, docker: Engine) -> None:
    target = docker.proxied(proxy, proxy={"haproxy": {"socket": proxy.looking, "backend": "added", "port": 8080}})
    with pytest.raises(TargetError, match="allows no changes on this socket"):
        roll(target, docker, "p1")
    assert target.observe().instances == ()


def test_a_canary_needs_a_backend_that_shares_by_weight(proxy: Haproxy, docker: Engine) -> None:
    target = docker.proxied(proxy, backend="sticky")
    with pytest.raises(TargetError, match="balances by 'source'"):
        roll(target, docker, "p1", CANARY)
    assert target.observe().instances == ()


@pytest.mark.parametrize(
    ("kind", "method", "times"),
    [
        pytest.param(StrategyKind.ROLLING, "tell", 2, id="rolling-half-way"),
        pytest.param(StrategyKind.BLUE_GREEN, "start", 2, id="blue-green-started"),
        pytest.param(StrategyKind.CANARY, "tell", 3, id="canary-shared"),
        pytest.param(StrategyKind.RECREATE, "stop", 2, id="recreate-stopped"),
    ],
)
def test_whoever_comes_after_a_kill_finds_what_runs_and_goes_on_or_back(
    rollout: Engine, proxy: Haproxy, kind: StrategyKind, method: str, times: int
) -> None:
    """One kill of each strategy; tests/soak/test_proxied_kills.py has every one."""
    assert_kills_are_survived(rollout, proxy, kind, method, times)
