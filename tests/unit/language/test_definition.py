"""What a file becomes: every key, short forms and long ones, defaults, anchors, order."""

from __future__ import annotations

import pytest
from language_file import FILE, HEAD, KINDS, load, said

from pipeline.errors import UsageError
from pipeline.language.load import load_definition
from pipeline.model.definition import (
    ArtifactRule,
    Definition,
    EdgeRule,
    Need,
    Readiness,
    Resources,
    RetryRule,
    RunRule,
    ServiceDefinition,
    When,
)

EVERYTHING = """\
# yaml-language-server: $schema=pipeline.schema.json
version: 1
name: shop
x-anything: {goes: here}
variables: {IMAGE: registry.example.org/shop}
timeout: 2h
fail_fast: true
defaults: {image: "python:3.12-slim", timeout: 20m, env: {LANG: C.UTF-8, LEVEL: info}}
triggers: {push: {branches: [main]}, pull_request: {}, schedule: [{cron: "0 3 * * *"}]}
stages:
  checkout: {kind: checkout, depth: 50, submodules: true, lfs: false}
  unit:
    kind: test
    image: python:${{ variables.IMAGE }}-slim
    services:
      db:
        image: postgres:16
        env: {POSTGRES_PASSWORD: test}
        ready: {command: pg_isready, within: 30s}
        command: postgres -c fsync=off
      cache: redis:7
    env: {DATABASE_URL: "postgres://postgres:test@db/postgres", LEVEL: debug}
    secrets: PYPI_TOKEN
    commands:
      - pip install -r requirements.txt
      - pytest --junitxml=report.xml
    after: "echo done"
    shell: bash -euo pipefail -c
    reports: {junit: ["report.xml"], coverage: coverage.xml}
    artifacts: [{name: wheels, paths: [dist/*.whl], keep: 30d}]
    reuse: true
    inputs: ["src/**", "tests/**"]
    resources: {cpu: 2, memory: 1GiB, pids: 512}
    retry: {max: 1, on: ["exit 75", errored], backoff: 500ms}
    timeout: 1h30m
    allow_failure: true
    user: 1000:1000
    workdir: /workspace/sub
    network: none
    when: {event: [push, pull_request], branch: main, changed: ["src/**"], if: "event == 'push'", run: always}
  image: {kind: build, context: ., args: {COMMIT: "${{ commit.sha }}"}, needs: [checkout]}
  notify:
    needs: [{stage: unit, if: failed}, {stage: image, optional: true}, checkout]
    commands: "true"
    when: {manual: true}
    retry: 2
environments:
  dev:
    after: []
    target: {docker: {replicas: 1, publish: "8080:8080", network: lan}}
    configuration: {LOG_LEVEL: debug}
    secrets: [DB_PASSWORD]
    verification: {http: /healthz, status: 200, within: 500ms}
    supervision: [{nagios: {nsca: "nagios:5667", host: shop-dev}}, {prometheus: {pushgateway: "http://push:9091"}}]
    url: http://shop.example.org
    allow_dirty: true
    on_failure: keep
    labels: {team: shop}
"""


@pytest.fixture(scope="module")
def everything() -> Definition:
    return load(EVERYTHING)


def test_the_file_itself(everything: Definition) -> None:
    assert said(EVERYTHING) == ""
    assert everything.name == "shop"
    assert everything.file == FILE
    assert everything.digest.startswith("sha256:")
    assert everything.variables == {"IMAGE": "registry.example.org/shop"}
    assert everything.fail_fast is True
    assert everything.timeout == 7200
    assert [stage.name for stage in everything.stages] == ["checkout", "unit", "image", "notify"]


def test_every_key_of_a_stage(everything: Definition) -> None:
    unit = everything.stage("unit")
    assert unit.kind == "test"
    assert unit.needs == (Need(stage="checkout"),)
    assert unit.image == "python:${{ variables.IMAGE }}-slim"
    assert unit.commands == ("pip install -r requirements.txt", "pytest --junitxml=report.xml")
    assert unit.after == ("echo done",)
    assert unit.shell == ("bash", "-euo", "pipefail", "-c")
    assert unit.env == {
        "LANG": "C.UTF-8",
        "LEVEL": "debug",
        "DATABASE_URL": "postgres://postgres:test@db/postgres",
    }
    assert unit.secrets == ("PYPI_TOKEN",)
    assert unit.timeout == 5400
    assert unit.allow_failure is True
    assert unit.artifacts == (ArtifactRule(name="wheels", paths=("dist/*.whl",), keep=30 * 86400.0),)
    assert unit.reports == {"junit": ("report.xml",), "coverage": ("coverage.xml",)}
    assert unit.when == When(
        event=("push", "pull_request"),
        branch=("main",),
        changed=("src/**",),
        expression="event == 'push'",
        run=RunRule.ALWAYS,
    )
    assert unit.services == (
        ServiceDefinition(
            name="db",
            image="postgres:16",
            env={"POSTGRES_PASSWORD": "test"},
            command=("sh", "-c", "postgres -c fsync=off"),
            ready=Readiness(command="pg_isready", within=30.0),
        ),
        ServiceDefinition(name="cache", image="redis:7"),
    )
    assert unit.resources == Resources(cpu=2.0, memory=2**30, pids=512)
    assert unit.retry == RetryRule(max=1, on=("exit 75", "errored"), backoff=0.5)
    assert (unit.user, unit.workdir, unit.network, unit.reuse) == ("1000:1000", "/workspace/sub", "none", True)
    assert unit.inputs == ("src/**", "tests/**")
    assert unit.options == {}
    assert (unit.position.line, unit.position.column) == (12, 3)


def test_options_of_a_kind(everything: Definition) -> None:
    assert everything.stage("checkout").options == {"depth": 50, "submodules": True, "lfs": False}
    image = everything.stage("image")
    assert image.options == {"context": ".", "args": {"COMMIT": "${{ commit.sha }}"}}
    assert image.image is None
    assert image.timeout == 1200


def test_long_and_short_needs(everything: Definition) -> None:
    notify = everything.stage("notify")
    assert notify.needs == (
        Need(stage="unit", rule=EdgeRule.FAILED),
        Need(stage="image", optional=True),
        Need(stage="checkout"),
    )
    assert notify.when.manual is True
    assert notify.retry == RetryRule(max=2)


def test_an_environment(everything: Definition) -> None:
    dev = everything.environment("dev")
    assert dev.target_kind == "docker"
    assert dev.target == {"replicas": 1, "publish": ["8080:8080"], "network": "lan"}
    assert dev.configuration == {"LOG_LEVEL": "debug"}
    assert dev.secrets == ("DB_PASSWORD",)
    assert dev.verification == ({"http": "/healthz", "status": 200, "within": "500ms"},)
    assert dev.supervision == (
        {"nagios": {"nsca": "nagios:5667", "host": "shop-dev"}},
        {"prometheus": {"pushgateway": "http://push:9091"}},
    )
    assert (dev.on_failure, dev.url, dev.allow_dirty) == ("keep", "http://shop.example.org", True)
    assert dev.labels == {"team": "shop"}


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        pytest.param(
            "a: {image: 'a:1'}\n  b: {image: 'a:1'}",
            {"checkout": [], "a": ["checkout"], "b": ["a"]},
            id="each-needs-the-one-above-and-a-checkout-stands-first",
        ),
        pytest.param(
            "a: {image: 'a:1'}\n  b: {image: 'a:1', needs: []}",
            {"checkout": [], "a": ["checkout"], "b": ["checkout"]},
            id="needs-nothing-but-the-source",
        ),
        pytest.param(
            "a: {image: 'a:1', source: false}\n  b: {image: 'a:1', source: false, needs: []}",
            {"a": [], "b": []},
            id="nobody-wants-the-source",
        ),
        pytest.param(
            "a: {image: 'a:1', source: false, needs: []}\n  b: {image: 'a:1'}",
            {"checkout": [], "a": [], "b": ["checkout", "a"]},
            id="one-of-two-wants-the-source",
        ),
        pytest.param(
            "gate: {image: 'a:1', source: false}\n  code: {kind: checkout}\n  b: {image: 'a:1', needs: []}",
            {"gate": [], "code": ["gate"], "b": ["code"]},
            id="a-written-checkout-stays-where-it-is",
        ),
        pytest.param(
            "gate: {image: 'a:1'}\n  code: {kind: checkout}",
            {"gate": [], "code": ["gate"]},
            id="what-the-checkout-needs-cannot-wait-for-it",
        ),
        pytest.param(
            "a: {image: 'a:1', needs: [{stage: b, optional: true}]}",
            {"checkout": [], "a": ["checkout"]},
            id="an-optional-need-may-be-absent",
        ),
    ],
)
def test_order(stages: str, expected: dict[str, list[str]]) -> None:
    definition = load(f"{HEAD}stages:\n  {stages}\n")
    assert {stage.name: [need.stage for need in stage.needs] for stage in definition.stages} == expected


def test_anchors_aliases_and_merge_keys() -> None:
    definition = load(
        HEAD
        + """\
x-base: &base {image: 'a:1', env: {A: 1}, commands: &steps [make]}
stages:
  a: *base
  b: {<<: *base, image: 'b:1'}
  c: {<<: [{commands: other, timeout: 5m}, *base], env: {B: 2}}
  d: {image: 'a:1', commands: *steps}
"""
    )
    assert [stage.image for stage in definition.stages[1:]] == ["a:1", "b:1", "a:1", "a:1"]
    assert [stage.commands for stage in definition.stages[1:]] == [("make",), ("make",), ("other",), ("make",)]
    assert definition.stage("c").env == {"B": "2"}
    assert definition.stage("c").timeout == 300


def test_defaults_reach_only_kinds_that_take_the_key() -> None:
    definition = load(
        HEAD
        + """\
defaults: {image: 'a:1', secrets: [TOKEN], resources: {cpu: 1, pids: 10}}
stages:
  a: {resources: {cpu: 2}}
  image: {kind: build}
  push: {kind: push, image: image, to: registry.example.org/shop}
"""
    )
    assert definition.stage("a").resources == Resources(cpu=2.0, pids=10)
    assert definition.stage("a").secrets == ("TOKEN",)
    assert definition.stage("image").image is None
    assert definition.stage("push").options["image"] == "image"
    assert definition.stage("push").resources == Resources()


def test_a_condition_may_stand_in_braces() -> None:
    definition = load(HEAD + "stages: {a: {image: 'a:1', when: {if: \"${{ branch == 'main' }}\"}}}\n")
    assert definition.stage("a").when.expression == "branch == 'main'"


def test_an_option_that_is_no_text_may_be_one_expression() -> None:
    text = HEAD + "stages: {c: {kind: checkout, depth: \"${{ branch == 'main' ? 0 : 1 }}\"}}\n"
    assert said(text) == ""
    assert load(text).stage("c").options == {"depth": "${{ branch == 'main' ? 0 : 1 }}"}


class _Untouched:
    """Expressions that must not be asked."""

    def problem(self, text: str, *, condition: bool) -> str | None:
        raise UsageError(f"asked about {text}")

    def names(self, text: str) -> frozenset[str]:
        raise UsageError(f"asked about {text}")

    def evaluate(self, text: str, facts: object) -> None:
        raise UsageError(f"asked about {text}")


def test_a_text_known_to_be_clean_is_built_unasked_and_alike(everything: Definition) -> None:
    again, said_again = load_definition(
        EVERYTHING.encode(), file=FILE, kinds=KINDS, expressions=_Untouched(), known_clean=True
    )
    assert again == everything
    assert said_again == ()
