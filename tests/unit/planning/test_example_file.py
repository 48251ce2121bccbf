"""The example of the file format's design: every line of it parses, and plans to what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planning_ground import ALL_KINDS, EXPRESSIONS, PUSH, SOURCE, needs_of, stage_of, tree_of

from pipeline.language.load import load_definition
from pipeline.model.definition import (
    CacheRule,
    NotifyRule,
    PullRequestTrigger,
    PushTrigger,
    ScheduleTrigger,
    SplitRule,
)
from pipeline.model.plan import Plan
from pipeline.model.source import Event
from pipeline.model.value import digest_of
from pipeline.planning.planner import plan
from pipeline.ports.includes import Place, Wanted

EXAMPLE = """\
# yaml-language-server: $schema=.ecluse/pipeline.schema.json
version: 1
name: shop

triggers:                       # not `on:`, which YAML 1.1 reads as true
  push: {branches: [main, "release/*"], tags: ["v*"], paths: ["src/**", "!docs/**"]}
  pull_request: {}
  schedule: [{cron: "0 3 * * 1-5", timezone: Europe/Paris, branch: main}]

variables: {IMAGE: registry.example.org/shop}

defaults:                       # every key that a stage may have
  image: python:3.12-slim
  timeout: 20m

include:
  - ci/common.yml               # a file of this repository
  - {git: https://git.example.org/ci.git, ref: 4f1c0de, file: python.yml}   # pinned in pipeline.lock

stages:
  checkout: {kind: checkout, depth: 50, submodules: true, lfs: false}

  unit:
    kind: test
    matrix: {python: [3.10, 3.12], db: [sqlite, postgres]}     # values are text: 3.10 stays 3.10
    exclude: [{python: 3.10, db: postgres}]
    image: python:${{ matrix.python }}-slim
    services:
      db: {image: postgres:16, env: {POSTGRES_PASSWORD: test}, ready: {command: pg_isready, within: 30s}}
    env: {DATABASE_URL: "postgres://postgres:test@db/postgres"}
    secrets: [PYPI_TOKEN]
    cache: [{key: "pip-${{ hash('requirements*.txt') }}", fallback: [pip-], paths: [/var/cache/pip]}]
    reuse: true
    commands:
      - pip install -r requirements.txt
      - pytest --junitxml=report.xml --cov --cov-report=xml
    reports: {junit: ["report.xml"], coverage: [coverage.xml]}
    artifacts: [{name: wheels, paths: [dist/*.whl], keep: 30d}]
    outputs: [VERSION]          # lines NAME=value that commands append to $ECLUSE_OUTPUT
    split: {by: timing, into: 4}
    inputs: ["src/**", "tests/**", "requirements*.txt"]     # what this stage reads
    resources: {cpu: 2, memory: 1GiB, pids: 512}
    retry: {max: 1, on: ["exit 75", errored], backoff: 5s}
    timeout: 10m
    allow_failure: false
    when: {event: [push, pull_request], branch: [main], changed: ["src/**"],
           if: "event == 'push' && !commit.message.contains('[skip]')", run: on_success}

  image:   {kind: build, context: ., dockerfile: Dockerfile, target: production, args: {COMMIT: "${{ commit.sha }}"},
            labels: {}, secrets: [NPM_TOKEN], builder: auto}
  scan:    {kind: scan, needs: [image], of: image, checks: [vulnerabilities, secrets, dockerfile, licences],
            fail_on: high, waivers: security/waivers.yml}
  push:    {kind: push, needs: [image, scan], image: image, to: "${{ variables.IMAGE }}",
            tags: ["${{ commit.short }}", "${{ slug(branch) }}"]}
  dev:     {kind: deploy, environment: dev, release: "${{ run.number }}-${{ commit.short }}"}
  smoke:   {kind: smoke, environment: dev, checks: [{http: /healthz, status: 200, within: 500ms}], for: 30s}

environments: {dev: {target: {docker: {publish: "8080:8080"}}}}
notify: [{on: [failed, fixed], to: mattermost://chat.example.org/shop}]
"""
COMMON = b"stages: {lint: {needs: [], commands: make lint}}\n"
PYTHON = b"variables: {PIP: '1'}\nstages: {types: {needs: [lint], commands: mypy}}\n"
FILES = ("requirements.txt", "src/shop.py", "tests/test_a.py", "tests/test_b.py", "tests/test_c.py", "docs/test_x.py")
CHANGED = replace(PUSH, changed=("src/shop.py",))


class Shelf:
    """Included files by where they lie."""

    def place(self, wanted: Wanted, *, by: Place) -> Place:
        """Where they say."""
        return Place(file=wanted.file, git=wanted.git, commit=wanted.ref)

    def read(self, place: Place, *, limit: int) -> bytes:
        """One of the two."""
        return PYTHON if place.git else COMMON


def example(event: Event = CHANGED) -> Plan:
    definition, diagnostics = load_definition(
        EXAMPLE.encode(), file="pipeline.yml", kinds=ALL_KINDS, expressions=EXPRESSIONS, includes=Shelf()
    )
    assert [item.code for item in diagnostics] == ["split-unused"]
    assert definition.triggers is not None
    assert definition.triggers.push == PushTrigger(
        branches=("main", "release/*"), tags=("v*",), paths=("src/**", "!docs/**")
    )
    assert definition.triggers.pull_request == PullRequestTrigger()
    assert definition.triggers.schedule == (
        ScheduleTrigger(cron="0 3 * * 1-5", timezone="Europe/Paris", branch="main"),
    )
    return plan(
        definition,
        event=event,
        source=SOURCE,
        overrides={},
        kinds=ALL_KINDS,
        expressions=EXPRESSIONS,
        tree=tree_of(*FILES),
    )


def test_the_stages() -> None:
    cells = ["3.10,sqlite", "3.12,sqlite", "3.12,postgres"]
    units = [f"unit:{cell},{part}/4" for cell in cells for part in range(1, 5)]
    decided = example()
    assert [item.stage.name for item in decided.stages] == [
        *("checkout", *units, "image", "scan", "push", "dev", "smoke"),
        *("lint", "types"),
    ]
    assert needs_of(decided, "image") == units
    assert needs_of(decided, "lint") == ["checkout"]
    assert decided.variables == {"IMAGE": "registry.example.org/shop", "PIP": "1"}
    assert decided.notify == (NotifyRule(on=("failed", "fixed"), to="mattermost://chat.example.org/shop"),)


def test_one_cell() -> None:
    decided = example()
    planned = stage_of(decided, "unit:3.10,sqlite,2/4")
    stage = planned.stage
    assert stage.image == "python:3.10-slim"
    assert stage.cell == {"python": "3.10", "db": "sqlite", "split": "2"}
    assert stage.env == {
        "DATABASE_URL": "postgres://postgres:test@db/postgres",
        "ECLUSE_SPLIT_INDEX": "2",
        "ECLUSE_SPLIT_TOTAL": "4",
        "ECLUSE_SPLIT_FILES": "tests/test_b.py",
    }
    digest = tree_of(*FILES).digest(["requirements*.txt"])
    assert stage.cache == (CacheRule(key=f"pip-{digest}", paths=("/var/cache/pip",), fallback=("pip-",)),)
    assert (stage.split, stage.outputs) == (SplitRule(into=4), ("VERSION",))
    assert (stage.timeout, stage.artifacts[0].keep) == (600.0, 30 * 86400.0)
    assert planned.skip is None
    assert not planned.deferred


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param(CHANGED, None, id="push"),
        pytest.param(replace(CHANGED, changed=("docs/a.md",)), "when: changed is docs/a.md, wants", id="docs"),
        pytest.param(replace(CHANGED, branch="x"), "when: branch is 'x', wants 'main'", id="branch"),
        pytest.param(replace(CHANGED, kind="pull_request"), "when: if is false", id="if"),
        pytest.param(replace(CHANGED, kind="schedule"), "when: event is 'schedule'", id="event"),
    ],
)
def test_conditions_of_each_cell(event: Event, reason: str | None) -> None:
    skip = stage_of(example(event), "unit:3.12,postgres,1/4").skip
    assert (skip.sentence.startswith(reason) if skip and reason else skip is None) is True


def test_a_part_to_which_no_file_falls_is_skipped() -> None:
    skip = stage_of(example(), "unit:3.12,sqlite,4/4").skip
    assert skip is not None
    assert skip.key == "split"


def test_what_the_run_decides_and_what_is_kept() -> None:
    decided = example()
    assert [item.stage.name for item in decided.stages if item.deferred] == ["dev"]
    assert stage_of(decided, "push").stage.options["tags"] == ("4f1c0de04f1c", "main")
    assert digest_of(Plan.from_json(decided.to_json())) == digest_of(decided)
    assert example().digest == decided.digest
