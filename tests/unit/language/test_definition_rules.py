"""What the keys around stages become: matrices, splits, caches, groups, rights, triggers, notifications."""

# ruff: noqa: E501 - each case stands in one line

from __future__ import annotations

import pytest
from language_file import HEAD, load

from pipeline.model.definition import (
    CacheRule,
    ConcurrencyPolicy,
    ConcurrencyRule,
    Definition,
    EdgeRule,
    MatrixRule,
    Need,
    NotifyRule,
    PullRequestTrigger,
    PushTrigger,
    ScheduleTrigger,
    SplitRule,
    StageDefinition,
    Triggers,
)


def stage(keys: str) -> StageDefinition:
    text = f"stages:\n  before: {{image: 'a:1', matrix: {{v: [1]}}, emits: x.yml, needs: []}}\n  a: {{image: 'a:1', {keys}}}\n"
    return load(HEAD + text).stage("a")


def file(keys: str) -> Definition:
    return load(f"{HEAD}{keys}\nstages: {{a: {{image: 'a:1'}}}}\n")


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("matrix: {v: [3.10, on, 0x1f], w: one}", "matrix", MatrixRule(axes={"v": ("3.10", "on", "0x1f"), "w": ("one",)})),
        ("matrix: {v: [1, 2], exclude: {v: 1}}, exclude: []", "matrix", MatrixRule(axes={"v": ("1", "2")}, exclude=({"v": "1"},))),
        ("matrix: {v: [1, 2, 3], exclude: {v: 1}}, exclude: [{v: 2}]", "matrix", MatrixRule(axes={"v": ("1", "2", "3")}, exclude=({"v": "1"}, {"v": "2"}))),
        ("matrix: {v: 1, include: {v: 2, x: yes}, fail_fast: true}", "matrix", MatrixRule(axes={"v": ("1",)}, include=({"v": "2", "x": "yes"},), fail_fast=True)),
        ("split: 4, commands: x $ECLUSE_SPLIT_FILES", "split", SplitRule(into=4, by="timing")),
        ("split: {into: 2, by: count, files: t/*}", "split", SplitRule(into=2, by="count", files=("t/*",))),
        ("split: 1", "split", None),
        ("cache: {key: k, paths: x}", "cache", (CacheRule(key="k", paths=("x",)),)),
        ("cache: [{key: k, paths: [x, /y], fallback: [k-, k]}]", "cache", (CacheRule(key="k", paths=("x", "/y"), fallback=("k-", "k")),)),
        ("outputs: VERSION", "outputs", ("VERSION",)),
        ("concurrency: deploy", "concurrency", ConcurrencyRule(group="deploy")),
        ("concurrency: {group: g, policy: cancel_newer}", "concurrency", ConcurrencyRule(group="g", policy=ConcurrencyPolicy.CANCEL_NEWER)),
        ("emits: ci/x.yml", "emits", "ci/x.yml"),
        ("hardened: true", "hardened", True),
        ("privileged: true", "privileged", True),
        ("devices: /dev/kvm", "devices", ("/dev/kvm",)),
        ("runs_on: gpu", "runs_on", ("gpu",)),
        ("runs_on: [gpu, arm64]", "runs_on", ("gpu", "arm64")),
        ("network: host", "network", "host"),
        ("commands: [a, {run: b, timeout: 5s}, {run: c}]", "commands", ("a", "b", "c")),
        ("commands: [a, {run: b, timeout: 5s}, {run: c}]", "step_timeouts", (None, 5.0, None)),
        ("commands: {run: b, timeout: 5s}", "step_timeouts", (5.0,)),
        ("commands: [a, b]", "step_timeouts", ()),
        ("needs: [{stage: before, matrix: {v: 1}}]", "needs", (Need(stage="before", matrix={"v": "1"}),)),
        ("needs: [{stage: before, emitted: true, if: finished}]", "needs", (Need(stage="before", emitted=True, rule=EdgeRule.FINISHED),)),
        ("needs: [before, before]", "needs", (Need(stage="before"),)),
        ("needs: [{stage: before, matrix: {v: 1}}, before]", "needs", (Need(stage="before", matrix={"v": "1"}), Need(stage="before"))),
    ],
)  # fmt: skip
def test_keys_of_stages(keys: str, field: str, value: object) -> None:
    found = getattr(stage(f"source: false, {keys}"), field)
    assert found == value


def test_a_service_may_ask_for_all_rights() -> None:
    (service,) = stage("services: {docker: {image: 'docker:27-dind', privileged: true}}").services
    assert service.privileged


@pytest.mark.parametrize(
    ("keys", "triggers"),
    [
        ("", None),
        ("triggers: {}", Triggers()),
        ("triggers: {push: , pull_request: {}}", Triggers(push=PushTrigger(), pull_request=PullRequestTrigger())),
        (
            "triggers: {push: {branches: main, tags: [v*]}}",
            Triggers(push=PushTrigger(branches=("main",), tags=("v*",))),
        ),
        ("triggers: {schedule: {cron: '*/5 * * * *'}}", Triggers(schedule=(ScheduleTrigger(cron="*/5 * * * *"),))),
        (
            "triggers: {schedule: [{cron: '0 3 * * 1-5', timezone: Europe/Paris, branch: main}]}",
            Triggers(schedule=(ScheduleTrigger(cron="0 3 * * 1-5", timezone="Europe/Paris", branch="main"),)),
        ),
    ],
)
def test_triggers(keys: str, triggers: Triggers | None) -> None:
    assert file(keys).triggers == triggers


def test_groups_and_notifications_of_a_run() -> None:
    found = file("concurrency: {group: g, policy: cancel_older}\nnotify: {on: failed, to: 'mailto://a'}")
    assert found.concurrency == ConcurrencyRule(group="g", policy=ConcurrencyPolicy.CANCEL_OLDER)
    assert found.notify == (NotifyRule(on=("failed",), to="mailto://a"),)


def test_a_value_that_is_still_an_expression_has_its_place_and_what_it_must_be() -> None:
    text = "defaults: {timeout: '${{ variables.T }}'}\nvariables: {T: 5m}\nstages: {a: {image: 'a:1'}}\n"
    (pending,) = load(HEAD + text).stage("a").typed
    assert (pending.path, pending.text) == ("timeout", "${{ variables.T }}")
    assert (pending.wanted.types, pending.wanted.format) == (("string",), "duration")
    assert (pending.position.line, pending.position.column) == (3, 21)
