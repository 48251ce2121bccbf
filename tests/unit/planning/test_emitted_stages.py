"""Stages that a stage emits: read like the pipeline file, planned behind the plan, and bounded."""

# ruff: noqa: E501 - each case stands in one line, as keys and messages do

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from planning_ground import ALL_KINDS, EXPRESSIONS, PUSH, planned, stage_of

from pipeline.errors import DefinitionError, RefusedError
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.trust import Trust
from pipeline.operations.emitting import MAX_STAGES, emitted_stages
from pipeline.ports.application import Application

FILE = """
variables: {WHO: world}
defaults: {image: 'busybox:1', source: false, commands: 'true'}
stages:
  first: {needs: [], outputs: [V]}
  cells: {needs: [], matrix: {v: [1, 2]}}
  gen: {needs: [first], emits: more.yml}
  after: {needs: [{stage: gen, emitted: true}]}
"""


class Ground:
    """What reading emitted stages asks of the program."""

    kinds = ALL_KINDS
    expressions = EXPRESSIONS


def emitted(text: str, *, plan: Plan | None = None, emitter: str = "gen") -> Sequence[PlannedStage]:
    before = plan or planned(FILE)
    app = cast("Application", cast("Any", Ground()))
    return emitted_stages(app, before, stage_of(before, emitter), text.encode())


def edges(stages: Sequence[PlannedStage]) -> dict[str, list[str]]:
    return {item.stage.name: [need.stage for need in item.stage.needs] for item in stages}


def stage(keys: str) -> str:
    return f"stages: {{new: {{image: 'busybox:1', {keys}}}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("stages: {}", {}, id="none"),
        pytest.param(stage("needs: []"), {"new": ["gen"]}, id="behind-its-emitter"),
        pytest.param(stage("needs: [gen]"), {"new": ["gen"]}, id="needs-its-emitter"),
        pytest.param(stage("needs: [first]"), {"new": ["first", "gen"]}, id="needs-a-stage-of-the-plan"),
        pytest.param(stage("needs: [cells]"), {"new": ["cells:1", "cells:2", "gen"]}, id="needs-cells-of-the-plan"),
        pytest.param(
            stage("needs: [{stage: cells, matrix: {v: 2}}]"), {"new": ["cells:2", "gen"]}, id="needs-one-cell"
        ),
        pytest.param(stage("needs: [{stage: nobody, optional: true}]"), {"new": ["gen"]}, id="optional"),
        pytest.param(
            stage("needs: [], matrix: {v: [a, b]}").replace("}\n", ", last: {image: 'busybox:1', needs: [new]}}\n"),
            {"new:a": ["gen"], "new:b": ["gen"], "last": ["new:a", "new:b"]},
            id="cells-of-its-own",
        ),
    ],
)
def test_edges(text: str, expected: dict[str, list[str]]) -> None:
    assert edges(emitted(text)) == expected


def test_values_see_the_facts_of_the_run() -> None:
    (found,) = emitted(stage("needs: [], env: {A: 'hello ${{ variables.WHO }}', B: '${{ stages.first.outputs.V }}'}"))
    assert found.stage.env == {"A": "hello world", "B": "${{ stages.first.outputs.V }}"}
    assert found.deferred
    assert found.stage.position.file == "more.yml of stage gen"


def test_a_cell_may_emit() -> None:
    before = planned(FILE.replace("needs: [first], emits", "matrix: {v: [x, y]}, needs: [first], emits"))
    found = emitted(stage("needs: []"), plan=before, emitter="gen:y")
    assert edges(found) == {"new": ["gen:y"]}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param("", ["1:1 the file is empty"], id="empty"),
        pytest.param("[1]", ["1:1 the file must hold keys and values at its top"], id="list"),
        pytest.param("variables: {A: b}\nstages: {}", ["1:1 unknown key 'variables' at the top of the file"], id="more"),
        pytest.param(stage("commands: x"), ["1:10 stage 'new' is emitted and must write its needs"], id="no-needs"),
        pytest.param(stage("needs: [nobody]"), ["1:44 stage 'new' needs 'nobody', which does not exist"], id="unknown"),
        pytest.param(stage("needs: [], emits: x"), ["1:47 stage 'new' is emitted and cannot emit stages itself"], id="emits"),
        pytest.param(stage("needs: []").replace("new", "first"), ["1:10 the run has a stage 'first' already"], id="taken"),
        pytest.param(stage("needs: []").replace("new", "cells"), ["1:10 the run has a stage 'cells' already"], id="group"),
        pytest.param(stage("needs: [new]"), ["1:44 stages wait for each other: new → new"], id="circle"),
        pytest.param(
            stage("needs: [{stage: cells, matrix: {v: 3}}]"),
            ["1:59 stage 'new' needs the cell of 'cells' with v '3', which does not exist"],
            id="unknown-cell",
        ),
        pytest.param(
            stage("needs: [], env: {A: '${{ stages.cells.conclusion }}'}"),
            ["1:61 stage 'new' reads stage 'cells', which it does not need: it may not be done by then"],
            id="reads-what-it-does-not-need",
        ),
        pytest.param(
            stage("needs: [], env: {A: '${{ variables.NOBODY }}'}"),
            ["1:61 variable 'NOBODY' is not defined"],
            id="undefined-variable",
        ),
        pytest.param(
            stage("needs: [], commands: 'echo ${{ branch }}', timeout: soon"),
            [
                "1:63 an expression cannot stand in 'commands' of stage 'new': its text would be run",
                "1:88 'soon' is not a duration ('timeout' of stage 'new')",
            ],
            id="all-at-once",
        ),
        pytest.param(stage("needs: [], kind: checkout").replace("image: 'busybox:1', ", ""), ["1:10 the source is there already: a checkout cannot be emitted"], id="checkout"),
    ],
)  # fmt: skip
def test_problems(text: str, problems: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        emitted(text)
    found = caught.value.diagnostics
    assert [f"{item.position.line}:{item.position.column} {item.message}" for item in found] == problems
    assert caught.value.sources == {"more.yml of stage gen": text.encode()}


def test_what_only_planning_sees_is_said_at_its_place_too() -> None:
    with pytest.raises(DefinitionError) as caught:
        emitted(stage("needs: [], resources: {pids: '${{ 0 }}'}"))
    (problem,) = caught.value.diagnostics
    assert str(problem.position) == "more.yml of stage gen:1:65"
    assert list(caught.value.sources) == ["more.yml of stage gen"]


def test_too_many_are_refused() -> None:
    values = ", ".join(str(number) for number in range(MAX_STAGES + 1))
    with pytest.raises(DefinitionError) as caught:
        emitted(stage(f"needs: [], matrix: {{v: [{values}]}}"))
    assert caught.value.diagnostics[0].message == "stage 'gen' emits 1,001 stages, more than 1,000"


def test_an_untrusted_run_emits_nothing() -> None:
    before = planned(FILE, event=replace(PUSH, trust=Trust.UNTRUSTED))
    with pytest.raises(RefusedError, match="an untrusted run may not"):
        emitted("stages: {}", plan=before)
