"""Checks of metrics against a real Prometheus that scrapes what a service pushed."""

from __future__ import annotations

import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from environment.prometheus import Prometheus, Pushgateway
from environment.servers import free_port

from pipeline.diagnostic import Position
from pipeline.model.check import Answer, Verdict
from pipeline.model.check_keys import parse_check
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Instance
from pipeline.ports.verification import Schedule, Subject, Verification
from pipeline.settings import Settings
from pipeline.targets.scripted import Place, ScriptedTarget
from pipeline.verification.probe import Probe
from pipeline.verification.verifier import ProbingVerifier

PROD = EnvironmentDefinition(name="prod", position=Position(file="p", line=1, column=1))
OLD = Instance(
    name="shop-old", image="r/shop@sha256:1", release="sha256:1", promotion="p1", serving=True, healthy=True,
    started=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip
NEW = replace(OLD, name="shop.new", release="sha256:2", promotion="p2", started=datetime(2026, 1, 2, tzinfo=UTC))


class Shop:
    """A service whose two versions push their share of errors; each has metrics of its own name."""

    def __init__(self, gateway: Pushgateway, prometheus: Prometheus) -> None:
        self.gateway = gateway
        self.prometheus = prometheus
        self.metric = f"shop_{uuid4().hex}"
        self.place = Place(instances=[OLD, NEW])

    def push(self, *lines: str) -> None:
        """Labels and value a line: `name="a" 0.5`."""
        body = "".join(f"{self.metric}{{{line.rpartition(' ')[0]}}} {line.rpartition(' ')[2]}\n" for line in lines)
        request = urllib.request.Request(
            f"{self.gateway.url}/metrics/job/{self.metric}", data=body.encode(), method="PUT"
        )
        with urllib.request.urlopen(request, timeout=10):
            pass
        wanted = float(lines[-1].rpartition(" ")[2])
        labels = lines[-1].rpartition(" ")[0]
        probe = f"{self.metric}{{{labels}}}" + (" == 0" if wanted == 0 else f" == {wanted}" if wanted == wanted else "")
        self.prometheus.await_series(probe)

    def subject(self) -> Subject:
        return Subject(target=ScriptedTarget(PROD, place=self.place), promotion="p2")

    def ask(self, query: str, **keys: Value) -> Answer:
        item = {"prometheus": {"url": self.prometheus.url, "query": query.replace("METRIC", self.metric), **keys}}
        return Probe(PROD, self.subject()).ask(parse_check(item))


@pytest.fixture
def shop(pushgateway: Pushgateway, prometheus: Prometheus) -> Shop:
    return Shop(pushgateway, prometheus)


def test_the_four_answers_of_a_query(shop: Shop) -> None:
    shop.push('name="shop-old" 0.25', 'name="shop.new" 0.5')

    good = shop.ask("METRIC{name=~'$instances'}", below=0.6)
    assert (good.verdict, good.seen, good.value) == (Verdict.PASS, "0.5", 0.5)
    assert good.query == f"{shop.metric}{{name=~'shop[.]new'}}"
    bad = shop.ask("METRIC{name=~'$instances'}", between=[0.6, 1])
    assert (bad.verdict, bad.sentence) == (Verdict.FAIL, "0.5, wants between 0.6 and 1")
    assert shop.ask("scalar(sum(METRIC))", above=0.7).verdict is Verdict.PASS

    for query in ("METRIC{name='nobody'}", "METRIC{name='shop-old'} * NaN"):
        empty = shop.ask(query, above=0)
        assert (empty.verdict, empty.seen[:7]) == (Verdict.INCONCLUSIVE, "no data")
    infinite = shop.ask("sum(METRIC) / (sum(METRIC) - sum(METRIC))", below=9)
    assert (infinite.verdict, infinite.seen, infinite.value) == (Verdict.FAIL, "inf", None)

    several = shop.ask("METRIC", above=0)
    assert (several.verdict, "gives 2 series" in several.seen) == (Verdict.ERROR, True)
    wrong = shop.ask("sum(METRIC", above=0)
    assert (wrong.verdict, "refuses the query" in wrong.seen) == (Verdict.ERROR, True)
    text = shop.ask("'text'", above=0)
    assert (text.verdict, text.seen) == (Verdict.ERROR, "the query gives a string, and must give a number")
    matrix = shop.ask("METRIC[1m]", above=0)
    assert (matrix.verdict, "gives a matrix" in matrix.seen) == (Verdict.ERROR, True)


def test_the_old_version_is_the_baseline(shop: Shop) -> None:
    shop.push('name="shop-old" 0.25', 'name="shop.new" 0.5')
    query = "METRIC{name=~'$instances'}"

    ratio = shop.ask(query, baseline="live", below=1.5)
    assert (ratio.verdict, ratio.sentence) == (Verdict.FAIL, "0.5 against 0.25: ratio 2, wants ratio below 1.5")
    assert (ratio.value, ratio.baseline) == (0.5, 0.25)
    difference = shop.ask(query, baseline="live", compare="difference", below=0.3)
    assert (difference.verdict, difference.seen) == (Verdict.PASS, "0.5 against 0.25: difference 0.25")

    shop.push('name="shop.new" 0.5')
    shop.prometheus.await_series(f"absent({shop.metric}{{name='shop-old'}})")
    gone = shop.ask(query, baseline="live", below=1.5)
    assert (gone.verdict, gone.seen) == (Verdict.INCONCLUSIVE, "the old version: no data")
    shop.place.instances.remove(OLD)
    first = shop.ask(query, baseline="live", below=1.5)
    assert (first.verdict, first.seen) == (Verdict.PASS, "0.5, and nothing ran before to compare it with")


def test_a_baseline_of_before_the_deployment(shop: Shop) -> None:
    shop.push('name="all" 0.25')
    before = datetime.now(UTC)
    shop.push('name="all" 0.5')
    item = {"prometheus": {"url": shop.prometheus.url, "query": shop.metric, "baseline": "before", "below": 1.5}}
    subject = replace(shop.subject(), since=before)
    answer = Probe(PROD, subject).ask(parse_check(item))
    assert (answer.verdict, answer.seen) == (Verdict.FAIL, "0.5 against 0.25: ratio 2")
    never = Probe(PROD, replace(subject, since=before - timedelta(hours=1))).ask(parse_check(item))
    assert (never.verdict, never.seen) == (Verdict.INCONCLUSIVE, "the old version: no data")


class Watch:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return monotonic()


def test_a_query_that_must_hold_for_a_while(shop: Shop, tmp_home: Path) -> None:
    shop.push('name="shop.new" 0.5')
    keys: Value = {
        "url": shop.prometheus.url, "query": shop.metric, "below": 0.6, "every": "200ms", "for": "1s", "min_samples": 5,
    }  # fmt: skip
    said: list[str] = []

    def verify() -> Verification:
        return ProbingVerifier(Settings(home=tmp_home), clock=Watch()).verify(
            PROD,
            [parse_check({"name": "errors", "prometheus": keys})],
            Schedule(),
            subject=shop.subject(),
            say=said.append,
            cancel=Cancellation(),
        )

    good = verify()
    assert (good.verdict, good.sentence) == (Verdict.PASS, "1 check passed")
    assert [item.value for item in good.measurements] == [0.5] * len(good.measurements)
    assert len(good.measurements) >= 5
    assert good.measurements[0].query == shop.metric
    assert good.measurements[0].wanted == "below 0.6"
    shop.push('name="shop.new" 0.75')
    bad = verify()
    assert (bad.verdict, bad.sentence) == (Verdict.FAIL, "errors: 0.75, wants below 0.6 (1 of 1 checks failed)")


def test_a_prometheus_that_is_not_there_is_an_error_and_not_a_failure(shop: Shop) -> None:
    item = {"prometheus": {"url": f"http://127.0.0.1:{free_port()}", "query": "up", "above": 0}}
    answer = Probe(PROD, shop.subject()).ask(parse_check(item))
    assert (answer.verdict, answer.seen.endswith(": connection refused")) == (Verdict.ERROR, True)
