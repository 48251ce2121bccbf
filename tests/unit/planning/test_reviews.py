"""Review environments: whose event gets which, and what its stages do for all other events."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_ground import ALL_KINDS, EXPRESSIONS, HEAD, SOURCE

from pipeline.language.load import load_definition
from pipeline.model.plan import Plan
from pipeline.model.source import Event
from pipeline.planning.planner import plan
from pipeline.planning.reviews import LONGEST, slug, with_reviews

FILE = (
    HEAD
    + """\
stages:
  image: {kind: build}
  push: {kind: push, image: image, to: registry.example.org/shop, when: {event: [push, pull_request]}}
  review: {kind: deploy, environment: review}
  smoke: {kind: smoke, environment: review, checks: [{http: /}]}
environments:
  review:
    target: {docker: {}}
    url: "http://${{ environment }}.example.org"
    review: {from: FROM, lasting: 3d}
"""
)


def planned(source: str, event: Event) -> Plan:
    text = FILE.replace("FROM", source).encode()
    definition, _ = load_definition(text, file="pipeline.yml", kinds=ALL_KINDS, expressions=EXPRESSIONS)
    definition = with_reviews(definition, event, protected=("main", "release/*"))
    return plan(definition, event=event, source=SOURCE, overrides={}, kinds=ALL_KINDS, expressions=EXPRESSIONS)


@pytest.mark.parametrize(
    ("source", "event", "name"),
    [
        pytest.param("pull_request", Event(kind="pull_request", branch="x", proposal="7"), "review-7", id="number"),
        pytest.param("pull_request", Event(kind="pull_request", branch="login"), "review-login", id="without-a-number"),
        pytest.param("pull_request", Event(kind="push", branch="login"), "", id="a-push-is-none"),
        pytest.param("pull_request", Event(kind="pull_request"), "", id="nothing-to-name-it-after"),
        pytest.param("branch", Event(kind="push", branch="login"), "review-login", id="branch"),
        pytest.param("branch", Event(kind="manual", branch="Fix/Å"), f"review-{slug('Fix/Å')}", id="slug"),
        pytest.param("branch", Event(kind="push", branch="main"), "", id="a-protected-branch"),
        pytest.param("branch", Event(kind="push", branch="release/2"), "", id="a-protected-branch-by-its-glob"),
        pytest.param("branch", Event(kind="push", tag="v1"), "", id="a-tag"),
        pytest.param("branch", Event(kind="pull_request", branch="login", proposal="7"), "", id="its-pull-request"),
    ],
)
def test_whose_it_is(source: str, event: Event, name: str) -> None:
    found = planned(source, event)
    (environment,) = found.environments
    deploys = [item for item in found.stages if item.stage.kind in ("deploy", "smoke")]
    if name:
        assert (environment.name, environment.instance_of, environment.unfounded) == (name, "review", "")
        assert environment.url == f"http://{name}.example.org"
        assert [item.stage.options["environment"] for item in deploys] == [name, name]
        assert all(condition.holds for item in deploys for condition in item.conditions)
    else:
        noun = source.replace("_", " ")
        assert (environment.name, environment.unfounded) == ("review", f"a run makes one of it for each {noun}")
        assert all(any(condition.holds is False for condition in item.conditions) for item in deploys)


@given(st.text(min_size=1, max_size=120), st.text(min_size=1, max_size=120))
def test_names_are_names_and_keep_apart(one: str, other: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", slug(one))
    assert len(slug(one)) <= LONGEST
    assert (slug(one) == slug(other)) is (one == other)
