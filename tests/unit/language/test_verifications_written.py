"""Checks of an environment as they are written: what is refused, where, and what is left until its values are there."""

from __future__ import annotations

import pytest
from language_file import HEAD, load, said

from pipeline.errors import DefinitionError
from pipeline.language.policy import load_policy
from pipeline.model.check import Bound, Pace, PrometheusCheck
from pipeline.model.check_keys import parse_check


def written(check: str) -> str:
    """A file whose environment verifies by this one check."""
    return (
        HEAD
        + "stages: {a: {image: 'a:1'}}\nenvironments:\n  prod:\n    target: {docker: {}}\n"
        + f"    verification:\n      - {check}\n"
    )


METRICS = "url: 'http://p:9090', query: 'sum(errors)'"


@pytest.mark.parametrize(
    ("check", "problems"),
    [
        pytest.param(f"prometheus: {{{METRICS}, below: 0.01, every: 10s, for: 5m, min_samples: 31}}", [], id="good"),
        pytest.param(
            f"prometheus: {{{METRICS}, below: 0.01, every: 10s, for: 5m, min_samples: 32}}",
            ["8:9 error: environment 'prod': 32 samples cannot be had: there are 31 in 300s, every 10s"],
            id="samples",
        ),
        pytest.param(
            f"prometheus: {{{METRICS}, above: 1, baseline: live}}",
            [("8:9 error: environment 'prod': a live baseline needs a query that tells versions apart, "
             "for instance by name=~'$instances'")],
            id="baseline",
        ),
        pytest.param("log: {pattern: '('}", [
            "8:9 error: environment 'prod': '(' is not a pattern of RE2: missing ): (",
        ], id="pattern"),
        pytest.param("log: {pattern: '${{ 1 }}('}", [], id="looked-at-later"),
        pytest.param(f"prometheus: {{{METRICS}, below: '${{{{ 1 + 1 }}}}', min_samples: 2}}", [], id="typed-later"),
        pytest.param("log: {pattern: x, for: soon}", [
            "8:32 error: 'soon' is not a duration ('verification[1].log.for' of environment 'prod')",
        ], id="duration"),
        pytest.param(f"prometheus: {{{METRICS}, below: 1, on_no_data: error}}", [
            "8:88 error: 'verification[1].prometheus.on_no_data' of environment 'prod' cannot be 'error'",
        ], id="word"),
        pytest.param(f"prometheus: {{{METRICS}, below: 1, above: 2}}", [
            ("8:9 error: 'verification[1].prometheus' of environment 'prod' has 'below' and 'above', "
            "of which one can stand"),
        ], id="two-bounds"),
    ],
)  # fmt: skip
def test_what_no_release_could_pass_is_refused(check: str, problems: list[str]) -> None:
    first, *_ = said(written(check)).split("\n")
    assert first == (f"pipeline.yml:{problems[0]}" if problems else "")


@pytest.mark.parametrize(
    ("repository", "problem"),
    [
        pytest.param("registry.example.org/team/shop", "", id="good"),
        pytest.param("localhost:5000/shop", "", id="port"),
        pytest.param("'${{ 1 }}/shop'", "", id="looked-at-later"),
        pytest.param("registry.example.org/Shop", "is not a repository ('registry' of environment 'prod')", id="none"),
        pytest.param("r.example.org/shop:1", "is not a repository ('registry' of environment 'prod')", id="tag"),
    ],
)
def test_where_images_are_copied_to(repository: str, problem: str) -> None:
    text = HEAD + "stages: {a: {image: 'a:1'}}\nenvironments:\n  prod:\n    target: {docker: {}}\n"
    first, *_ = said(f"{text}    registry: {repository}\n").split("\n")
    assert first == (f"pipeline.yml:7:15 error: '{repository}' {problem}" if problem else "")


def test_a_policy_is_looked_at_in_the_same_way() -> None:
    text = "version: 1\nenvironments:\n  prod:\n    target: {docker: {}}\n    verification: [{log: {pattern: '('}}]\n"
    with pytest.raises(DefinitionError) as caught:
        load_policy(text.encode(), file="policy.yml", script=lambda _: b"")
    (problem,) = caught.value.diagnostics
    assert (problem.message, problem.position.line, problem.position.column) == (
        "environment 'prod': '(' is not a pattern of RE2: missing ): (", 5, 20,
    )  # fmt: skip


def test_the_keys_stay_as_they_are_written() -> None:
    (check,) = load(written(f"prometheus: {{{METRICS}, between: [1, 2.5], for: 5m}}")).environment("prod").verification
    assert parse_check(check) == PrometheusCheck(
        name="prometheus sum(errors)",
        url="http://p:9090",
        query="sum(errors)",
        bound=Bound(between=(1.0, 2.5)),
        pace=Pace(lasting=300.0, every=10.0),
    )
