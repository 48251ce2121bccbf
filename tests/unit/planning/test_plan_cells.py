"""Cells of a matrix as stages of the plan: which there are, what they are called, what needs them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from planning_ground import (
    ALL_KINDS,
    EXPRESSIONS,
    HEAD,
    PUSH,
    SOURCE,
    names_of,
    needs_of,
    planned,
    refused,
    stage_of,
)

from pipeline.errors import DefinitionError
from pipeline.language.load import load_definition
from pipeline.model.definition import EdgeRule
from pipeline.model.value import Value, digest_of
from pipeline.planning.planner import plan
from pipeline.ports.expressions import Digest

IMAGE = "defaults: {image: 'busybox:1', source: false, commands: 'true'}\n"


def one(matrix: str) -> str:
    return f"{IMAGE}stages:\n  unit: {{{matrix}}}\n"


@pytest.mark.parametrize(
    ("matrix", "cells"),
    [
        pytest.param("matrix: {v: [3.10, 3.12]}", ["3.10", "3.12"], id="text-stays-text"),
        pytest.param("matrix: {v: 3.10}", ["3.10"], id="one-value"),
        pytest.param("matrix: {a: [x, y], b: [1, 2]}", ["x,1", "x,2", "y,1", "y,2"], id="product-in-written-order"),
        pytest.param("matrix: {a: [x, y], b: [1, 2]}, exclude: {a: x, b: 2}", ["x,1", "y,1", "y,2"], id="exclude"),
        pytest.param("matrix: {a: [x, y], b: [1, 2], exclude: [{a: x}]}", ["y,1", "y,2"], id="exclude-by-one-value"),
        pytest.param("matrix: {a: [x, y], exclude: {a: x}}, exclude: []", ["y"], id="exclude-in-both-places"),
        pytest.param("matrix: {a: [x], include: [{a: z}]}", ["x", "z"], id="include-a-further-cell"),
        pytest.param("matrix: {a: [x], include: [{a: x, c: 1}]}", ["x"], id="include-adds-values"),
        pytest.param("matrix: {a: [x], b: [1], include: {a: z}}", ["x,1", "z"], id="include-lacks-an-axis"),
        pytest.param("matrix: {include: [{a: x, b: 1}, {a: y}]}", ["x,1", "y"], id="include-alone"),
        pytest.param("matrix: {a: [x, y], exclude: {a: x}, include: {a: x}}", ["y", "x"], id="include-after-exclude"),
        pytest.param("matrix: {a: ['', b]}", ["", "b"], id="empty-text"),
        pytest.param("split: 2, source: true", ["1/2", "2/2"], id="parts"),
        pytest.param("split: 1", None, id="one-part-is-no-cut"),
        pytest.param("matrix: {a: [x, y]}, split: 2", ["x,1/2", "x,2/2", "y,1/2", "y,2/2"], id="parts-of-cells"),
    ],
)
def test_cells(matrix: str, cells: list[str] | None) -> None:
    expected = ["unit"] if cells is None else [f"unit:{cell}" for cell in cells]
    assert names_of(planned(one(matrix))) == expected


def test_include_follows_the_rules_of_other_systems() -> None:
    """The documented example of GitHub Actions."""
    decided = planned(
        one(
            "matrix: {fruit: [apple, pear], animal: [cat, dog], include: [{color: green}, "
            "{color: pink, animal: cat}, {fruit: apple, shape: circle}, {fruit: banana}, {fruit: banana, animal: cat}]}"
        )
    )
    assert [dict(item.stage.cell) for item in decided.stages] == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_a_cell_knows_where_it_comes_from_and_what_it_is() -> None:
    stage = stage_of(planned(one("matrix: {v: [3.10]}, split: 2")), "unit:3.10,2/2").stage
    assert (stage.written, stage.group, stage.cell) == ("unit", "unit", {"v": "3.10", "split": "2"})


THREE = """
stages:
  unit: {needs: [], matrix: {v: [1, 2], db: [a, b]}}
  next: {needs: [NEED]}
"""


@pytest.mark.parametrize(
    ("need", "expected"),
    [
        pytest.param("unit", ["unit:1,a", "unit:1,b", "unit:2,a", "unit:2,b"], id="all"),
        pytest.param("{stage: unit, matrix: {v: 2}}", ["unit:2,a", "unit:2,b"], id="those-that-match"),
        pytest.param("{stage: unit, matrix: {v: 2, db: a}}", ["unit:2,a"], id="one"),
        pytest.param("{stage: unit, matrix: {v: 3}, optional: true}", [], id="optional"),
        pytest.param("{stage: nobody, optional: true}", [], id="optional-stage"),
    ],
)
def test_needs_of_cells(need: str, expected: list[str]) -> None:
    assert needs_of(planned(IMAGE + THREE.replace("NEED", need)), "next") == expected


def test_an_edge_to_cells_keeps_its_rule() -> None:
    decided = planned(IMAGE + THREE.replace("NEED", "{stage: unit, if: finished}"))
    assert {need.rule for need in stage_of(decided, "next").stage.needs} == {EdgeRule.FINISHED}


def test_a_cell_may_need_the_cell_that_is_like_itself() -> None:
    text = """
stages:
  build: {needs: [], matrix: {v: [1, 2]}}
  unit: {needs: [{stage: build, matrix: {v: "${{ matrix.v }}"}}], matrix: {v: [1, 2]}}
"""
    decided = planned(IMAGE + text)
    assert needs_of(decided, "unit:2") == ["build:2"]
    with pytest.raises(DefinitionError) as caught:
        planned(IMAGE + text.replace("matrix: {v: [1, 2]}}\n", "matrix: {v: [1, 3]}}\n").replace("[1, 3]", "[1, 2]", 1))
    assert refused(caught.value) == "7:3 stage 'unit' needs the cell of 'build' with v '3', which does not exist"


def test_the_order_holds_and_a_stage_without_needs_waits_for_all_cells_above() -> None:
    decided = planned(IMAGE + "stages:\n  unit: {matrix: {v: [1, 2]}}\n  after: {}\n")
    assert needs_of(decided, "after") == ["unit:1", "unit:2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "stages:\n  a: {matrix: &m {v: [%s], w: [%s]}}\n  b: {matrix: *m, needs: []}\n"
            "  c: {matrix: *m, needs: []}\n",
            "7:3 with the 10,000 cells of 'c' the plan has more than 20,000 stages",
            id="stages",
        ),
        pytest.param(
            "stages:\n  a: {matrix: {v: [%s], w: [%s]}}\n  b: {matrix: {v: [%s]}}\n",
            "6:3 with the needs of 'b' the stages need each other more than 500,000 times",
            id="edges",
        ),
    ],
)
def test_bounds(text: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        planned(IMAGE + text.replace("%s", ", ".join(map(str, range(100)))))
    assert refused(caught.value) == message


def test_cells_share_what_holds_no_expression_and_a_plan_of_cells_survives_the_records() -> None:
    from pipeline.model.plan import Plan

    decided = planned(one("matrix: {v: [1, 2]}, env: {V: '${{ matrix.v }}'}, resources: {cpu: 1}"))
    one_cell, other = (item.stage for item in decided.stages)
    assert one_cell.resources is other.resources
    assert one_cell.needs is other.needs
    assert (one_cell.env, other.env) == ({"V": "1"}, {"V": "2"})
    assert digest_of(Plan.from_json(decided.to_json())) == digest_of(decided)


class Counting:
    """Expressions that count how often they are evaluated."""

    def __init__(self) -> None:
        self.count = 0

    def problem(self, text: str, *, condition: bool) -> str | None:
        """As the real ones."""
        return EXPRESSIONS.problem(text, condition=condition)

    def names(self, text: str) -> frozenset[str]:
        """As the real ones."""
        return EXPRESSIONS.names(text)

    def evaluate(self, text: str, facts: Mapping[str, Value], *, digest: Digest | None = None) -> Value:
        """As the real ones."""
        self.count += 1
        return EXPRESSIONS.evaluate(text, facts, digest=digest)


def test_ten_thousand_cells_ask_each_question_once() -> None:
    counting = Counting()
    values = ", ".join(str(number) for number in range(100))
    text = f"""
stages:
  unit:
    matrix: {{x: [{values}], y: [{values}]}}
    env: {{X: "${{{{ matrix.x }}}}", Y: "${{{{ matrix.y }}}}", C: "${{{{ commit.sha }}}}", B: "${{{{ branch }}}}"}}
    when: {{if: "branch == 'main' && matrix.x != '7'"}}
  after: {{}}
"""
    definition, _ = load_definition(
        (HEAD + IMAGE + text).encode(), file="pipeline.yml", kinds=ALL_KINDS, expressions=counting
    )
    decided = plan(
        definition, event=PUSH, source=SOURCE, overrides={}, kinds=ALL_KINDS, expressions=counting, tree=None
    )
    assert len(names_of(decided)) == 10_001
    assert sum(item.skip is not None for item in decided.stages) == 100
    assert counting.count == 100 + 100 + 1 + 1 + 100
    assert len(needs_of(decided, "after")) == 10_000
