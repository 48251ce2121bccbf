"""Checks of numbers: how samples add up, how they go along with rounds, and what is refused before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.check import (
    Answer,
    Bound,
    Check,
    Comparison,
    HttpCheck,
    LogCheck,
    Pace,
    PrometheusCheck,
    Verdict,
)
from pipeline.model.check_keys import parse_check
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Instance, Observed
from pipeline.ports.verification import Schedule, Verification
from pipeline.verification.prometheus import compare
from pipeline.verification.rounds import verify
from pipeline.verification.versions import versions

PASS, FAIL, INCONCLUSIVE, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR


class Stopwatch(Cancellation):
    """Time that goes on only by waiting, so that hours pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        return self.time

    def wait(self, seconds: float | None) -> bool:
        self.time += seconds or 0.0
        return self.cancelled


def errors(*, lasting: float = 0, every: float = 10, samples: int = 1, no_data: Verdict = FAIL) -> PrometheusCheck:
    return PrometheusCheck(
        name="errors",
        url="http://p",
        query="e",
        bound=Bound(below=1),
        min_samples=samples,
        no_data=no_data,
        pace=Pace(lasting=lasting, every=every),
    )


def answers(letters: str) -> Iterator[Answer]:
    """`.` a good number, `x` one out of bounds, `-` no data, `!` an error; the last one for ever."""
    made = {
        ".": Answer(verdict=PASS, seen="0.5", wanted="below 1", value=0.5, query="e"),
        "x": Answer(verdict=FAIL, seen="2", wanted="below 1", value=2.0, query="e"),
        "-": Answer(verdict=INCONCLUSIVE, seen="no data", wanted="below 1", query="e"),
        "!": Answer(verdict=ERROR, seen="connection refused", wanted="", query="e"),
    }
    yield from (made[letter] for letter in letters)
    while True:
        yield made[letters[-1]]


def run(checks: Sequence[Check], schedule: Schedule, **script: str) -> tuple[Verification, Stopwatch, list[str]]:
    watch, said = Stopwatch(), []
    scripts = {name: answers(letters) for name, letters in script.items()}
    found = verify(
        checks, schedule, ask=lambda check: next(scripts[check.name]), say=said.append, clock=watch, cancel=watch
    )
    return found, watch, said


@pytest.mark.parametrize(
    ("letters", "check", "verdict", "took", "measured", "sentence"),
    [
        pytest.param(".", errors(), PASS, 0, 1, "1 check passed", id="once"),
        pytest.param(".", errors(lasting=300), PASS, 300, 31, "1 check passed", id="five-minutes"),
        pytest.param(
            "..x", errors(lasting=300), FAIL, 20, 3,
            "errors: 2, wants below 1 (1 of 1 checks failed)", id="ends-at-once"
        ),
        pytest.param(
            "-", errors(), FAIL, 0, 2,
            "errors: 0 of 1 sample had a number (1 without data; the last: no data), wants 1 with a number "
            "(1 of 1 checks failed)",
            id="no-data-fails",
        ),
        pytest.param("-", errors(no_data=PASS), PASS, 0, 2, "1 check passed", id="no-data-may-pass-where-written"),
        pytest.param(
            "-", errors(no_data=INCONCLUSIVE), INCONCLUSIVE, 0, 1,
            "errors: 0 of 1 sample had a number (1 without data; the last: no data), wants 1 with a number "
            "(1 of 1 checks had no clear answer)",
            id="no-data-may-be-no-answer",
        ),
        pytest.param("---.", errors(lasting=50, samples=3), PASS, 50, 6, "1 check passed", id="data-comes-late"),
        pytest.param(
            "---.", errors(lasting=50, samples=4), FAIL, 50, 7,
            "errors: 3 of 6 samples had a number (3 without data; the last: 0.5), wants 4 with a number "
            "(1 of 1 checks failed)",
            id="too-few-samples",
        ),
        pytest.param("..-", errors(lasting=20), PASS, 20, 4, "1 check passed", id="the-last-one-was-empty"),
        pytest.param(
            "!", errors(), ERROR, 0, 1, "errors: connection refused (1 of 1 checks could not be made)", id="error"
        ),
        pytest.param("!!.!!.", errors(lasting=60), PASS, 60, 7, "1 check passed", id="restarts-of-prometheus"),
        pytest.param(
            ".!", errors(lasting=300), ERROR, 30, 4,
            "errors: connection refused (1 of 1 checks could not be made)",
            id="gone-for-good",
        ),
    ],
)  # fmt: skip
def test_samples_add_up(
    letters: str, check: PrometheusCheck, verdict: Verdict, took: float, measured: int, sentence: str
) -> None:
    found, watch, said = run([check], Schedule(), errors=letters)
    assert (found.verdict, watch.time, len(found.measurements)) == (verdict, took, measured)
    assert found.sentence == sentence
    assert found.measurements[-1].passed == (verdict is PASS)
    assert said, "the log says something"


@given(st.text(alphabet=".x-!", min_size=1, max_size=40), st.integers(1, 5), st.sampled_from([FAIL, INCONCLUSIVE]))
def test_no_data_never_passes_silently(letters: str, samples: int, no_data: Verdict) -> None:
    check = errors(lasting=10.0 * (len(letters) - 1), samples=samples, no_data=no_data)
    found, _, _ = run([check], Schedule(), errors=letters)
    good = sum(item.verdict == "pass" and item.value is not None for item in found.measurements)
    if found.verdict is PASS:
        assert good >= samples
        assert not any(item.verdict == "fail" for item in found.measurements)
    assert all(item.query == "e" for item in found.measurements)


def test_rounds_and_samples_go_side_by_side() -> None:
    http = HttpCheck(name="http", where="/")
    slow = HttpCheck(name="slow", where="/", pace=Pace(lasting=60, every=30))
    log = LogCheck(name="log", pattern="x", pace=Pace(lasting=20, every=5))
    found, watch, _ = run(
        [errors(lasting=30), http, slow, log], Schedule(lasting=2), errors=".", http=".", slow=".", log="."
    )
    counts = {
        name: sum(item.check == name for item in found.measurements) for name in ("errors", "http", "slow", "log")
    }
    assert counts == {"errors": 4, "http": 3, "slow": 3, "log": 5}
    assert (found.verdict, watch.time) == (PASS, 60)
    times = [item.time for item in found.measurements]
    assert times == sorted(times)


def test_one_bad_answer_ends_all_of_it() -> None:
    found, watch, _ = run(
        [errors(lasting=300), HttpCheck(name="http", where="/")], Schedule(lasting=60), errors="..x", http="."
    )
    assert (found.verdict, watch.time) == (FAIL, 20)
    assert found.sentence.startswith("errors: 2, wants below 1")


def test_the_grace_forgives_what_comes_before_the_first_good_sample() -> None:
    found, watch, said = run([errors(lasting=20)], Schedule(grace=30), errors="xx.")
    assert (found.verdict, len(found.measurements), watch.time) == (PASS, 3, 21)
    assert sum("within the grace" in line for line in said) == 2
    found, _, _ = run([errors(lasting=20)], Schedule(grace=30), errors=".x")
    assert found.verdict is FAIL


METRICS: Value = {"url": "http://p:9090/", "query": "sum(e)", "below": 0.5}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        pytest.param({"url": "p:9090", "query": "e", "below": 1}, "'p:9090' is not the http address", id="address"),
        pytest.param({"url": "http://me:pass@p/", "query": "e", "below": 1}, "holds a login", id="login"),
        pytest.param({"url": "http://p", "query": " ", "below": 1}, "needs a query", id="no-query"),
        pytest.param({"url": "http://p", "query": "e"}, "below, above, between", id="no-bound"),
        pytest.param({"url": "http://p", "query": "e", "between": [2, 1]}, "the smaller one first", id="between"),
        pytest.param({"url": "http://p", "query": "e{v='$version'}", "below": 1}, r"names \$version, which", id="word"),
        pytest.param({**METRICS, "baseline": "live"}, "tells versions apart", id="baseline-of-itself"),
        pytest.param({**METRICS, "min_samples": 2}, "2 samples cannot be had: there are 1 in 0s", id="samples"),
        pytest.param({**METRICS, "every": "0s"}, "longer than nothing", id="every"),
    ],
)  # fmt: skip
def test_what_could_never_be_asked_is_refused(item: Value, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_check({"prometheus": item})


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'\(' is not a pattern of RE2: missing \)"):
        parse_check({"log": {"pattern": "("}})
    with pytest.raises(ValueError, match="needs a pattern"):
        parse_check({"log": {"pattern": ""}})


def test_the_keys_of_a_query() -> None:
    found = parse_check({
        "name": "error ratio", "within": "3s",
        "prometheus": {"url": "http://p:9090/", "query": "e{name=~'$instances'} > bool 0$", "between": [1, "2"],
                       "every": "10s", "for": "5m", "min_samples": 31, "on_no_data": "inconclusive",
                       "baseline": "live", "compare": "difference"},
    })  # fmt: skip
    assert isinstance(found, PrometheusCheck)
    assert (found.name, found.url, found.within, found.min_samples) == ("error ratio", "http://p:9090", 3.0, 31)
    assert (found.bound, found.pace) == (Bound(between=(1.0, 2.0)), Pace(lasting=300.0, every=10.0))
    assert (found.no_data, found.against, found.comparison) == (INCONCLUSIVE, "live", Comparison.DIFFERENCE)


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [
        pytest.param(Bound(below=1), 1.0, False, id="below-is-less"),
        pytest.param(Bound(below=1), -math.inf, True, id="below"),
        pytest.param(Bound(above=0), 0.0, False, id="above-is-more"),
        pytest.param(Bound(above=0), 1e-9, True, id="above"),
        pytest.param(Bound(between=(1, 2)), 2.0, True, id="between-has-its-ends"),
        pytest.param(Bound(between=(1, 2)), math.inf, False, id="infinity"),
        pytest.param(Bound(below=1), math.nan, False, id="nan-below"),
        pytest.param(Bound(above=1), math.nan, False, id="nan-above"),
        pytest.param(Bound(between=(1, 2)), math.nan, False, id="nan-between"),
    ],
)
def test_bounds(bound: Bound, value: float, holds: bool) -> None:
    assert bound.holds(value) is holds


@pytest.mark.parametrize(
    ("value", "baseline", "ratio", "difference"),
    [
        pytest.param(3.0, 2.0, 1.5, 1.0, id="more"),
        pytest.param(0.0, 0.0, 1.0, 0.0, id="nothing-against-nothing-is-the-same"),
        pytest.param(0.1, 0.0, math.inf, 0.1, id="something-against-nothing"),
        pytest.param(-0.1, 0.0, -math.inf, -0.1, id="less-than-nothing"),
    ],
)
def test_comparisons(value: float, baseline: float, ratio: float, difference: float) -> None:
    assert compare(value, baseline, Comparison.RATIO) == ratio
    assert compare(value, baseline, Comparison.DIFFERENCE) == pytest.approx(difference)


def instance(name: str, promotion: str, *, serving: bool, minute: int) -> Instance:
    return Instance(
        name=name, image=f"r/shop@sha256:{promotion}", release=f"sha256:{promotion}", promotion=promotion,
        serving=serving, healthy=True, started=datetime(2026, 1, 1, 0, minute, tzinfo=UTC),
        addresses=(f"10.0.0.{minute}:80",),
    )  # fmt: skip


def test_the_new_version_is_the_promotion_or_the_youngest_that_serves() -> None:
    old, new = instance("a.1", "p1", serving=True, minute=1), instance("b", "p2", serving=True, minute=3)
    third = instance("c", "p3", serving=False, minute=5)
    found, before = versions(Observed(instances=(new, old, third)), "")
    assert found is not None
    assert before is not None
    assert (found.promotion, before.promotion) == ("p2", "p1")
    assert before.words == {
        "release": "sha256:p1",
        "promotion": "p1",
        "image": "r/shop@sha256:p1",
        "digest": "sha256:p1",
        "instances": "a[.]1",
        "addresses": "10[.]0[.]0[.]1:80",
    }
    found, before = versions(Observed(instances=(new, old, third)), "p3")
    assert found is not None
    assert before is not None
    assert (found.promotion, before.promotion) == ("p3", "p2")
    assert versions(Observed(instances=(old,)), "p1")[1] is None
    found, before = versions(Observed(instances=(old,)), "p9")
    assert found is not None, "p9 found its release there already"
    assert (found.promotion, before) == ("p1", None)
    assert versions(Observed(instances=()), "") == (None, None)
