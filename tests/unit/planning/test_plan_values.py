"""Expressions in every value: typed, known now or during the run, and never more than a stage may see."""

# ruff: noqa: E501 - each case stands in one line, as keys and messages do

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from planning_ground import ALL_KINDS, EXPRESSIONS, PUSH, planned, refused, stage_of, tree_of

from pipeline.errors import DefinitionError, UsageError
from pipeline.model.definition import StageDefinition
from pipeline.model.value import Value
from pipeline.planning.planner import resolver_of

VARIABLES = "variables: {T: 5m, N: '3', YES: 'true', NET: none, NAME: wheels, HOST: far, EMPTY: ''}\n"


def stage(keys: str) -> StageDefinition:
    text = f"{VARIABLES}stages:\n  a: {{image: 'busybox:1', source: false, {keys}}}\n"
    return planned(text, tree=tree_of("a.txt", "b.txt")).stages[-1].stage


def at(found: object, path: str) -> object:
    for step in path.split("."):
        if isinstance(found, Mapping):
            found = found[step]
        else:
            found = found[int(step)] if step.isdigit() else getattr(found, step)  # type: ignore[index]
    return found


@pytest.mark.parametrize(
    ("keys", "path", "value"),
    [
        ("timeout: '${{ variables.T }}'", "timeout", 300.0),
        ("timeout: '${{ variables.N }}s'", "timeout", 3.0),
        ("allow_failure: \"${{ variables.YES == 'true' }}\"", "allow_failure", True),
        ("reuse: \"${{ branch != 'main' }}\"", "reuse", False),
        ("hardened: \"${{ branch == 'main' }}\"", "hardened", True),
        ("network: '${{ variables.NET }}'", "network", "none"),
        ("resources: {cpu: '${{ 3.0 / 2.0 }}'}", "resources.cpu", 1.5),
        ("resources: {memory: '${{ variables.N }}MiB'}", "resources.memory", 3 * 2**20),
        ("resources: {pids: '${{ int(variables.N) * 100 }}'}", "resources.pids", 300),
        ("retry: '${{ int(variables.N) }}'", "retry.max", 3),
        ("retry: {max: '${{ 1 + 1 }}', backoff: '${{ variables.T }}', on: 'exit ${{ variables.N }}'}", "retry.max", 2),
        ("retry: {max: '${{ 1 + 1 }}', backoff: '${{ variables.T }}', on: 'exit ${{ variables.N }}'}", "retry.backoff", 300.0),
        ("retry: {max: '${{ 1 + 1 }}', backoff: '${{ variables.T }}', on: 'exit ${{ variables.N }}'}", "retry.on.0", "exit 3"),
        ("artifacts: {name: 'a-${{ variables.NAME }}', paths: '${{ branch }}/*', keep: '${{ variables.T }}'}", "artifacts.0.name", "a-wheels"),
        ("artifacts: {name: 'a-${{ variables.NAME }}', paths: '${{ branch }}/*', keep: '${{ variables.T }}'}", "artifacts.0.keep", 300.0),
        ("artifacts: {name: 'a-${{ variables.NAME }}', paths: '${{ branch }}/*', keep: '${{ variables.T }}'}", "artifacts.0.paths.0", "main/*"),
        ("services: {db: {image: 'pg:${{ variables.N }}', ready: {command: x, within: '${{ variables.T }}'}}}", "services.0.ready.within", 300.0),
        ("services: {db: {image: 'pg:${{ variables.N }}', env: {A: '${{ tag }}'}}}", "services.0.image", "pg:3"),
        ("commands: [x, {run: y, timeout: '${{ variables.T }}'}]", "step_timeouts", (None, 300.0)),
        ("concurrency: 'deploy-${{ branch }}'", "concurrency.group", "deploy-main"),
        ("cache: {key: 'k-${{ slug(branch) }}', paths: '/c/${{ branch }}', fallback: 'k-${{ tag }}'}", "cache.0.key", "k-main"),
        ("cache: {key: 'k-${{ slug(branch) }}', paths: '/c/${{ branch }}', fallback: 'k-${{ tag }}'}", "cache.0.fallback.0", "k-"),
        ("inputs: '${{ branch }}/**'", "inputs.0", "main/**"),
        ("user: '${{ variables.N }}'", "user", "3"),
        ("workdir: '/${{ branch }}'", "workdir", "/main"),
        ("emits: '${{ branch }}.yml'", "emits", "main.yml"),
        ("when: {changed: '${{ branch }}/**'}", "when.changed.0", "main/**"),
        ("env: {A: \"${{ variables.?NOBODY.orValue('x') }}\"}", "env.A", "x"),
        ("env: {A: \"${{ env('LISTED') }}\"}", "env.A", "open"),
        ("env: {A: '${{ size(changed) }}'}", "env.A", "0"),
    ],
)  # fmt: skip
def test_a_value_has_the_type_of_its_place(keys: str, path: str, value: object) -> None:
    found = at(stage(keys), path)
    assert found == value
    assert type(found) is type(value)
    assert stage(keys).typed == ()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("timeout: '${{ variables.HOST }}'", "'timeout' gives the text 'far', and must be a duration such as 30s or 20m"),
        ("timeout: '${{ 3 }}'", "'timeout' gives the number 3, and must be a text"),
        ("allow_failure: '${{ variables.YES }}'", "'allow_failure' gives the text 'true', and must be true or false"),
        ("resources: {pids: '${{ variables.N }}'}", "'resources.pids' gives the text '3', and must be a whole number"),
        ("resources: {pids: '${{ 0 }}'}", "'resources.pids' gives the number 0, and must be at least 1"),
        ("resources: {pids: '${{ 1.5 }}'}", "'resources.pids' gives the number 1.5, and must be a whole number"),
        ("resources: {cpu: '${{ 0 }}'}", "'resources.cpu' gives the number 0, and must be more than 0"),
        ("resources: {cpu: '${{ true }}'}", "'resources.cpu' gives true, and must be a number"),
        ("retry: '${{ 11 }}'", "'retry.max' gives the number 11, and must be at most 10"),
        ("network: '${{ variables.HOST }}'", "'network' gives the text 'far', and must be 'default' or 'none' or 'host'"),
        ("emits: '../${{ branch }}'", "'emits' gives the text '../main', and must be like"),
        ("artifacts: {name: '${{ variables.EMPTY }}', paths: x}", "'artifacts.0.name' gives the text '', and must be like"),
        ("allow_failure: '${{ 1 / 0 == 1 }}'", "'allow_failure': the expression '1 / 0 == 1' cannot be evaluated"),
        ("env: {A: '${{ 1 / 0 }}'}", "in stage 'a': 'env': the expression '1 / 0' cannot be evaluated"),
        ("env: {A: \"${{ env('HOME') }}\"}", "'env': the expression 'env('HOME')' cannot be evaluated: variable 'HOME' of the host is not set, or not open"),
        ("env: {A: 'x-${{ changed }}'}", "in stage 'a': 'env': an expression within a text gives a list"),
        ("env: {A: \"${{ variables['NOBODY'.lowerAscii()] }}\"}", "there is no"),
        ("when: {if: \"commit.message.contains(variables['Q' + 'X'])\"}", "'QX' is not there"),
        ("env: {A: \"${{ matrix['x'] }}\"}", "stage 'a' has no matrix"),
    ],
)  # fmt: skip
def test_what_is_not_what_its_place_wants_is_refused_there(keys: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        stage(keys)
    text = refused(caught.value)
    assert message in text
    assert text.startswith("5:")


def test_options_and_targets_are_typed_too() -> None:
    text = """
variables: {N: '1', STATUS: '204'}
stages:
  image: {kind: build}
  push: {kind: push, image: image, to: registry.example.org/a}
  dev: {kind: deploy, environment: dev}
  smoke: {kind: smoke, environment: dev, checks: [{http: /, status: "${{ int(variables.STATUS) }}", within: "${{ variables.N }}s"}]}
environments: {dev: {target: {docker: {replicas: "${{ int(variables.N) }}", publish: "80:80"}}, url: "http://${{ environment }}"}}
"""
    decided = planned(text)
    (check,) = stage_of(decided, "smoke").stage.options["checks"]  # type: ignore[misc]
    assert check == {"http": "/", "status": 204, "within": "1s"}
    assert decided.environments[0].target["replicas"] == 1
    assert decided.environments[0].url == "http://dev"
    with pytest.raises(DefinitionError) as caught:
        planned(text.replace("N: '1'", "N: '0'"))
    assert refused(caught.value) == "10:50 'target.replicas' gives the number 0, and must be at least 1"


def test_the_environment_of_a_stage_is_a_fact_of_it() -> None:
    text = """
stages:
  image: {kind: build}
  push: {kind: push, image: image, to: registry.example.org/a}
  dev: {kind: deploy, environment: dev, concurrency: "deploy-${{ environment }}"}
environments: {dev: {target: {docker: {publish: "80:80"}}}}
"""
    rule = stage_of(planned(text), "dev").stage.concurrency
    assert rule is not None
    assert rule.group == "deploy-dev"


def test_a_digest_of_files_is_that_of_the_files_that_match() -> None:
    text = "stages: {a: {image: 'busybox:1', cache: {key: \"${{ hash('req*.txt') }}\", paths: x}}}\n"

    def key(*files: str) -> str:
        return planned(text, tree=tree_of(*files)).stages[-1].stage.cache[0].key

    assert key("req.txt", "src/a.py") == key("req.txt", "src/b.py")
    assert key("req.txt") != key("req.txt", "req-dev.txt")
    assert len(key("req.txt")) == 64
    assert key() == key("nothing/like/it")


def test_without_files_there_is_no_digest() -> None:
    with pytest.raises(DefinitionError, match="1 error") as caught:
        planned("stages: {a: {image: 'busybox:1', env: {H: \"${{ hash('a') }}\"}}}\n")
    assert "hash() is known only while the plan is made" in refused(caught.value)


LATE = """
variables: {T: 5m}
stages:
  first: {image: 'busybox:1', outputs: [LIMIT], commands: x, matrix: {v: [1]}}
  second: {image: 'busybox:1', outputs: [N], commands: x, needs: []}
  last:
    image: busybox:1
    commands: x
    needs: [first, second]
    timeout: "${{ stages.first.cells['1'].outputs.LIMIT }}"
    resources: {pids: "${{ int(stages.second.outputs.N) }}"}
    env: {H: "${{ hash('a.txt') + '-' + run.id }}", C: "${{ stages.first.conclusion }}"}
    when: {if: "hash(\\"a.txt\\") != '' && stages.second.outputs.N != '5'"}
"""


def late_facts(limit: str, number: str) -> Mapping[str, Value]:
    return {
        "run": {"id": "01run", "number": 4},
        "stages": {
            "first": {
                "conclusion": "succeeded",
                "outputs": {},
                "cells": {"1": {"conclusion": "succeeded", "outputs": {"LIMIT": limit}}},
            },
            "second": {"conclusion": "warned", "outputs": {"N": number}},
        },
    }


def test_what_only_the_run_knows_is_checked_then() -> None:
    tree = tree_of("a.txt")
    late = stage_of(planned(LATE, tree=tree), "last")
    assert late.deferred
    assert late.skip is None
    assert [item.path for item in late.stage.typed] == ["timeout", "resources.pids"]

    resolve = resolver_of(PUSH, ALL_KINDS, EXPRESSIONS)
    resolved = resolve(late, lambda _names: late_facts("90s", "7"))
    assert not resolved.deferred
    assert resolved.skip is None
    assert (resolved.stage.timeout, resolved.stage.resources.pids) == (90.0, 7)
    assert resolved.stage.env == {"H": f"{tree.digest(['a.txt'])}-01run", "C": "succeeded"}
    assert resolve(late, lambda _names: late_facts("90s", "5")).skip is not None
    with pytest.raises(DefinitionError) as caught:
        resolve(late, lambda _names: late_facts("soon", "7"))
    assert "'timeout' gives the text 'soon'" in refused(caught.value)


STRANGE = "${{ 1 + 41 }} ${{ run.id }} ${{"
"""A branch's name, or a commit's message: somebody else's text, which looks like expressions."""


@pytest.mark.parametrize(
    ("keys", "path", "value"),
    [
        pytest.param("env: {A: '${{ branch }}'}", "env.A", STRANGE, id="alone"),
        pytest.param("env: {A: '${{ branch }}', B: '${{ run.id }}'}", "env.A", STRANGE, id="beside-what-the-run-knows"),
        pytest.param("env: {A: '${{ branch }}-${{ run.id }}'}", "env.A", f"{STRANGE}-01run", id="with-it"),
        pytest.param("matrix: {v: [1, 2]}, env: {A: '${{ branch }}'}", "env.A", STRANGE, id="all-cells"),
        pytest.param(
            "matrix: {v: [1, 2]}, env: {A: '${{ matrix.v }}${{ branch }}'}", "env.A", f"2{STRANGE}", id="one-cell"
        ),
        pytest.param("concurrency: 'x-${{ branch }}'", "concurrency.group", f"x-{STRANGE}", id="group"),
        pytest.param(
            "artifacts: {name: a, paths: ['${{ branch }}', '${{ run.id }}']}",
            "artifacts.0.paths.0",
            STRANGE,
            id="typed",
        ),
    ],
)
def test_what_an_expression_gave_is_never_evaluated(keys: str, path: str, value: str) -> None:
    text = f"stages:\n  a: {{image: 'busybox:1', source: false, commands: x, {keys}}}\n"
    found = planned(text, event=replace(PUSH, branch=STRANGE)).stages[-1]
    assert found.deferred
    resolved = resolver_of(PUSH, ALL_KINDS, EXPRESSIONS)(
        found, lambda _names: {**late_facts("", ""), "branch": STRANGE}
    )
    assert at(resolved.stage, path) == value


def test_patterns_for_the_run_must_be_fixed() -> None:
    with pytest.raises(DefinitionError) as caught:
        planned(LATE.replace("hash('a.txt')", "hash(branch)"), tree=tree_of("a.txt"))
    assert "during the run, where hash() knows no files" in refused(caught.value)


def test_the_group_and_the_notifications_of_a_run_are_resolved() -> None:
    text = """
variables: {ROOM: dev}
concurrency: {group: "run-${{ branch }}", policy: cancel_older}
notify: {on: failed, to: "mattermost://${{ variables.ROOM }}/x"}
stages: {a: {image: 'busybox:1', commands: x}}
"""
    decided = planned(text)
    assert decided.concurrency is not None
    assert (decided.concurrency.group, decided.concurrency.policy) == ("run-main", "cancel_older")
    assert [rule.to for rule in decided.notify] == ["mattermost://dev/x"]


def test_facts_that_are_too_long_are_refused() -> None:
    long = {f"N{index}": "x" * 60_000 for index in range(20)}
    text = " + ".join(f"variables.{name}" for name in long) + " == ''"
    with pytest.raises(UsageError, match="longer than 1,048,576 characters"):
        EXPRESSIONS.evaluate(text, {"variables": long})
    assert EXPRESSIONS.evaluate("size(variables.N1)", {"variables": long}) == 60_000
