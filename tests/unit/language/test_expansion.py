"""What is printed of a pipeline is the same pipeline, and says of every value where it came from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from language_file import EXPRESSIONS, FILE, HEAD, KINDS, load

from pipeline.diagnostic import Position
from pipeline.language.expanded_text import yaml_text
from pipeline.language.expansion import expand
from pipeline.language.load import define, read_pipeline
from pipeline.model.definition import Definition, StageDefinition

PAGE = (Path(__file__).parents[3] / "docs" / "pipeline-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
NOWHERE = Position(file="", line=1, column=1)


def expanded(text: str) -> str:
    written = read_pipeline(text.encode(), file=FILE, includes=None)
    definition, _ = define(written, kinds=KINDS, expressions=EXPRESSIONS)
    return yaml_text(expand(written, definition, KINDS))


def stages(definition: Definition) -> dict[str, StageDefinition]:
    return {stage.name: replace(stage, position=NOWHERE) for stage in definition.stages}


STAGES = {
    "short": "commands: echo",
    "odd texts": """commands: ['a: b', '# c', "tab\\there", '- d', 'x #y', 'true', '3.10', '~', '']""",
    "blocks": "commands:\n      - |+\n        a\n\n          b\n\n      - >-\n        c\n        d\n",
    "indented blocks": 'commands:\n      - "  leading\\n spaces \\n"\n      - |2\n          deep\n',
    "texts that look else": "env: {A: 3.10, B: 012, C: 1e3, D: yes, E: null, F: '', G: ~, H: 22:30}",
    "odd characters": """env: {A: "\\u2028x\\U0001F6A2", 'B': 'é "q" ''s'''}""",
    "expression": """env: {A: "${{ branch == 'x' ? 'a: b' : '#c' }}"}""",
    "alias": "env: &e {A: '1'}\n    services: {db: {image: 'p:1', env: *e}}",
    "merge key": "<<: {env: {A: '1'}, timeout: 5m}\n    timeout: 6m",
    "all forms": "x-own: 1\n    needs: []\n    source: false\n    when: {event: push, run: always}",
    "needs": "needs: [{stage: first, if: failed}, {stage: other, optional: true}]",
    "defaults below": "services: {db: 'postgres:16'}\n    resources: {cpu: 0.5, memory: 1GiB}",
}
"""What stands in a stage, by what is special about it."""


@pytest.mark.parametrize("stage", [pytest.param(text, id=name) for name, text in STAGES.items()])
def test_the_output_is_the_same_pipeline(stage: str) -> None:
    text = (
        f"{HEAD}defaults: {{image: 'busybox:1.36', timeout: 9m, env: {{Z: z}}, resources: {{pids: 7}}, after: echo}}\n"
        f"stages:\n  first: {{commands: 'true'}}\n  other:\n  unit:\n    {stage}\n  last: {{kind: build}}\n"
    )
    again = expanded(text)
    assert stages(load(again)) == stages(load(text))
    assert expanded(again).count("\n") == again.count("\n")


@pytest.mark.parametrize("example", [pytest.param(text, id=f"example-{index}") for index, text in enumerate(EXAMPLES)])
def test_the_examples_of_the_page_can_be_read_again(example: str) -> None:
    definition = load(expanded(example))
    assert all(stage.kind for stage in definition.stages)


MATRIX = """\
stages:
  unit:
    image: b:1
    matrix: {v: [3.10, "it's"], include: [{v: 3.10, x: y}, {v: z, only: "1"}], exclude: []}
    env:
      D: "v${{ matrix.v }}"
      A: "${{ matrix.?x.orValue('no') }}"
      B: "${{ 'matrix.v' + matrix.v }}"
      C: "${{ matrix.v + branch }}"
    when: {if: matrix.v != 'z'}
  after: {image: 'b:1', needs: [{stage: unit, matrix: {v: 3.10}, if: finished}]}
  whole: {image: 'b:1', needs: [unit]}
"""


def test_a_matrix_becomes_its_cells() -> None:
    found = {stage.name: stage for stage in load(expanded(HEAD + MATRIX)).stages}
    assert list(found) == ["checkout", "unit_3_10", "unit_it_s", "unit_z", "after", "whole"]
    assert [found[name].env["D"] for name in ("unit_3_10", "unit_it_s", "unit_z")] == ["v3.10", "vit's", "vz"]
    assert dict(found["unit_it_s"].env) == {
        "D": "vit's",
        "A": "${{ optional.none().orValue('no') }}",
        "B": "${{ 'matrix.v' + 'it\\'s' }}",
        "C": "${{ 'it\\'s' + branch }}",
    }
    assert found["unit_3_10"].env["A"] == "${{ optional.of('y').orValue('no') }}"
    assert found["unit_z"].when.expression == "'z' != 'z'"
    assert [(need.stage, need.rule.value) for need in found["after"].needs if need.stage != "checkout"] == [
        ("unit_3_10", "finished")
    ]
    assert [need.stage for need in found["whole"].needs] == ["unit_3_10", "unit_it_s", "unit_z"]


def test_a_matrix_whose_result_is_read_stays() -> None:
    text = HEAD + MATRIX.replace("needs: [unit]", 'needs: [unit], env: {A: "${{ stages.unit.conclusion }}"}')
    assert stages(load(expanded(text)))["unit"].matrix == stages(load(text))["unit"].matrix


def test_every_value_says_where_it_came_from() -> None:
    text = f"{HEAD}defaults: {{image: 'busybox:1.36'}}\nstages:\n  unit: {{commands: [a, b]}}\n"
    assert expanded(text).splitlines()[4:] == [
        "stages:  # pipeline.yml:4:1",
        "  checkout:  # default of the format: the source comes first",
        "    kind: checkout  # default of the format",
        "    needs: []  # default of the format: it starts at once",
        "",
        "  unit:  # pipeline.yml:5:3",
        "    kind: run  # default of the format",
        "    commands:",
        "      - a  # pipeline.yml:5:21",
        "      - b  # pipeline.yml:5:24",
        "    needs:",
        "      - checkout  # default of the format: the stage above",
        '    image: "busybox:1.36"  # defaults in pipeline.yml:3:19',
    ]
