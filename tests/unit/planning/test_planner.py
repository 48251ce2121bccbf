"""Plans: order, conditions with what they saw, resolved values, what is left for the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.bootstrap import Kinds
from pipeline.errors import UsageError
from pipeline.expressions.cel import CelExpressions
from pipeline.language.load import load_definition
from pipeline.model.facts import source_facts
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.source import Commit, Event, Source
from pipeline.model.value import Value
from pipeline.planning.planner import plan, resolver_of
from stages import KINDS

EXPRESSIONS = CelExpressions()
ALL_KINDS = Kinds(KINDS)
COMMIT = Commit(
    sha="4f1c0de0" * 5,
    message='fix: it\'s "quoted" [skip]',
    author="Ada <ada@example.org>",
    time=datetime(2026, 11, 23, tzinfo=UTC),
    tree="1" * 40,
)
PUSH = Event(kind="push", branch="main", actor="ada")


def planned(
    text: str,
    *,
    event: Event = PUSH,
    commit: Commit = COMMIT,
    overrides: Mapping[str, str] | None = None,
    path: str = "/src",
) -> Plan:
    definition, _ = load_definition(
        ("version: 1\nname: demo\n" + text).encode(), file="pipeline.yml", kinds=ALL_KINDS, expressions=EXPRESSIONS
    )
    return plan(
        definition,
        event=event,
        source=Source(path=path, origin="https://git.example.org/demo.git", commit=commit),
        overrides=overrides or {},
        kinds=ALL_KINDS,
        expressions=EXPRESSIONS,
    )


def only(text: str, **more: object) -> PlannedStage:
    """The last stage of a plan."""
    return planned(text, **more).stages[-1]  # type: ignore[arg-type]  # a table of keywords


def one(keys: str) -> str:
    return f"stages:\n  a: {{image: 'busybox:1', commands: ['true'], source: false, {keys}}}\n"


def test_stages_come_after_their_needs_and_else_as_written() -> None:
    text = """
defaults: {image: "busybox:1", source: false}
stages:
  z: {needs: [m], commands: ["true"]}
  a: {needs: [], commands: ["true"]}
  m: {needs: [], commands: ["true"]}
  b: {commands: ["true"]}
"""
    assert [item.stage.name for item in planned(text).stages] == ["m", "z", "a", "b"]


@pytest.mark.parametrize(
    ("when", "event", "sentence"),
    [
        pytest.param("branch: [main]", PUSH, None, id="branch holds"),
        pytest.param("branch: ['release/*']", PUSH, "when: branch is 'main', wants 'release/*'", id="branch"),
        pytest.param("branch: ['release/*']", replace(PUSH, branch="release/1"), None, id="branch glob"),
        pytest.param("tag: ['v*']", PUSH, "when: tag is none, wants 'v*'", id="no tag"),
        pytest.param("tag: ['v*']", replace(PUSH, branch="", tag="v1"), None, id="tag"),
        pytest.param("event: [pull_request, manual]", PUSH, "when: event is 'push', wants 'pull_request' or 'manual'"),
        pytest.param("changed: ['src/**']", replace(PUSH, changed=("docs/a.md",)), "when: changed is docs/a.md, wants"),
        pytest.param("changed: ['src/**']", replace(PUSH, changed=("docs/a", "src/b/c.py")), None, id="changed"),
        pytest.param("changed: ['src/**']", PUSH, None, id="changed unknown runs"),
        pytest.param("changed: ['src/**']", replace(PUSH, changed=()), "when: changed is nothing, wants", id="nothing"),
        pytest.param("if: \"branch == 'main'\"", PUSH, None, id="if holds"),
        pytest.param("if: \"commit.message.contains('[skip]')\"", PUSH, None, id="if sees the message as data"),
        pytest.param("if: \"branch == 'x'\"", PUSH, "when: if is false, wants branch == 'x'", id="if"),
        pytest.param("{branch: [main], event: [manual]}", PUSH, "when: event is 'push'", id="all must hold"),
    ],
)
def test_conditions_say_what_they_saw(when: str, event: Event, sentence: str | None) -> None:
    stage = only(one("when: " + (when if when.startswith("{") else "{" + when + "}")), event=event)
    if sentence is None:
        assert stage.skip is None
    else:
        assert stage.skip is not None
        assert stage.skip.sentence.startswith(sentence)


def test_a_condition_on_other_stages_is_left_for_the_run() -> None:
    text = """
defaults: {image: "busybox:1", source: false}
stages:
  a: {commands: ["true"]}
  b: {commands: ["true"], when: {if: "stages.a.conclusion == 'warned'"}}
"""
    decided = planned(text)
    late = decided.stages[-1]
    assert late.deferred
    assert late.skip is None

    def facts(_names: frozenset[str]) -> Mapping[str, Value]:
        return {"stages": {"a": {"conclusion": "succeeded", "outputs": {}}}, "variables": {}, "branch": "main"}

    resolved = resolver_of(PUSH, ALL_KINDS, EXPRESSIONS)(late, facts)
    assert resolved.skip is not None
    assert "stages.a.conclusion" in resolved.skip.sentence


def test_the_run_sees_all_facts_that_the_plan_saw() -> None:
    early = source_facts(PUSH, Source(path="/src", origin="", commit=COMMIT), {"A": "b"})
    assert set(early) == {"event", "branch", "tag", "commit", "changed", "variables"}
    late = only(one("when: {if: \"'src/a' in changed\"}"), event=replace(PUSH, changed=("src/a",)))
    assert late.skip is None


def test_values_are_resolved_and_text_around_them_stays() -> None:
    text = """
variables: {IMAGE: registry.example.org/shop, TAG: "3.10"}
""" + one('env: {A: "${{ variables.IMAGE }}:${{ variables.TAG }}", B: "${{ commit.short }}", C: \'$HOME\'}')
    env = only(text).stage.env
    assert env == {"A": "registry.example.org/shop:3.10", "B": COMMIT.sha[:12], "C": "$HOME"}


def test_overrides_replace_variables_and_unknown_ones_are_refused() -> None:
    text = "variables: {A: one}\n" + one('env: {X: "${{ variables.A }}"}')
    assert only(text, overrides={"A": "two"}).stage.env["X"] == "two"
    with pytest.raises(UsageError) as caught:
        planned(text, overrides={"B": "x"})
    assert (caught.value.message, caught.value.hint) == (
        "--var B: pipeline.yml has no variable 'B'",
        "variables there: A",
    )


DELIVERY = """
stages:
  checkout: {kind: checkout}
  image: {kind: build}
  push: {kind: push, image: image, to: registry.example.org/shop, tags: [x]}
  dev: {kind: deploy, environment: dev, release: "${{ run.number }}-${{ commit.short }}"}
  smoke: {kind: smoke, environment: dev, checks: [{http: /healthz}]}
environments:
  dev: {target: {docker: {publish: ["8080:8080"]}}, configuration: {BRANCH: "${{ branch }}"}}
"""


def test_effects_do_not_run_for_pull_requests_unless_the_stage_says_so() -> None:
    decided = planned(DELIVERY, event=Event(kind="pull_request", branch="topic"))
    skipped = {item.stage.name for item in decided.stages if item.skip}
    assert skipped == {"push", "dev", "smoke"}


def test_what_needs_the_run_is_left_as_text_until_then() -> None:
    decided = planned(DELIVERY)
    dev = next(item for item in decided.stages if item.stage.name == "dev")
    assert dev.deferred
    assert decided.environments[0].configuration == {"BRANCH": "main"}

    def facts(_names: frozenset[str]) -> Mapping[str, Value]:
        return {"run": {"id": "x", "number": 41}, "commit": {"short": "4f1c0de"}, "branch": "main"}

    resolved = resolver_of(PUSH, ALL_KINDS, EXPRESSIONS)(dev, facts)
    assert resolved.stage.options["release"] == "41-4f1c0de"


TESTED = """
stages:
  checkout: {kind: checkout}
  unit: {kind: test, image: "python:3.12", commands: [pytest], reports: {junit: [r.xml]}}
  push_it: {image: "busybox:1", commands: ["true"]}
"""


def test_a_plan_has_one_digest_wherever_the_checkout_lies() -> None:
    assert planned(TESTED).digest == planned(TESTED, path="/elsewhere").digest
    assert planned(TESTED).digest != planned(TESTED, event=replace(PUSH, branch="x")).digest
