"""What is wrong with matrices, splits, caches, groups, triggers and the facts of expressions, each at its place."""

# ruff: noqa: E501 - each message stands as it is said, in one line

from __future__ import annotations

import pytest
from language_file import HEAD, said

MATRIX = "    matrix: {python: [3.10, 3.12], db: [sqlite, pg]}\n"
UNIT = "stages:\n  unit:\n    image: a:1\n"


def problems(text: str) -> list[str]:
    """Place and words of each problem, with the note behind its caret."""
    found: list[str] = []
    for line in said(HEAD + text).splitlines():
        if line.startswith("pipeline.yml:"):
            found.append(line.removeprefix("pipeline.yml:"))
        elif found and line.lstrip().startswith("|") and (note := line.partition("^")[2].lstrip("^").strip()):
            found[-1] += f" ({note})"
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            UNIT + MATRIX + "    exclude: [{pyton: 3.10}]\n",
            ["7:16 error: the matrix of stage 'unit' has no axis 'pyton' (did you mean 'python'?)"],
            id="exclude-of-an-unknown-axis",
        ),
        pytest.param(
            UNIT + MATRIX + "    exclude: [{python: 3.11}]\n",
            ["7:24 error: axis 'python' of stage 'unit' has no value '3.11' (there is '3.10', '3.12')"],
            id="exclude-of-an-unknown-value",
        ),
        pytest.param(
            UNIT + "    matrix: {python: [3.10], exclude: {python: 3.9}}\n",
            ["6:48 error: axis 'python' of stage 'unit' has no value '3.9' (there is '3.10')"],
            id="exclude-inside-of-the-matrix",
        ),
        pytest.param(
            UNIT + "    matrix: {python: [3.10]}\n    exclude: {python: 3.10}\n",
            ["6:5 error: stage 'unit' has no cell left (everything is excluded)"],
            id="nothing-left",
        ),
        pytest.param(
            UNIT + "    exclude: {python: 3.10}\n",
            ["6:5 error: stage 'unit' excludes cells and has no matrix"],
            id="exclude-without-a-matrix",
        ),
        pytest.param(
            UNIT + "    matrix: {python: [3.10, 3.10]}\n",
            ["6:22 error: axis 'python' has '3.10' twice"],
            id="value-twice",
        ),
        pytest.param(
            UNIT + "    matrix: {a: ['x,y', x], b: [z, 'y,z']}\n",
            ["6:5 error: two cells of stage 'unit' are called 'x,y,z' (cells must differ in the values of their axes)"],
            id="two-cells-of-one-name",
        ),
        pytest.param(
            UNIT + f"    matrix: {{a: &v [{', '.join(map(str, range(200)))}], b: *v}}\n",
            [
                "6:5 error: stage 'unit' would have 40,000 cells, more than 20,000 (exclude does not count: take values out of the axes)"
            ],
            id="too-many-cells",
        ),
        pytest.param(
            UNIT + "    matrix: {}\n", ["6:5 error: 'matrix' of stage 'unit' must not be empty"], id="empty-matrix"
        ),
        pytest.param(
            UNIT + "    matrix: {python: []}\n",
            ["6:14 error: 'matrix.python' of stage 'unit' must not be empty"],
            id="empty-axis",
        ),
        pytest.param(
            UNIT + "    matrix: {py-thon: [1]}\n",
            ["6:14 error: 'py-thon' is not the name of an axis (letters, digits and _, no digit first)"],
            id="axis-name",
        ),
        pytest.param(
            UNIT + "    matrix: {python: [{a: 1}]}\n",
            ["6:23 error: 'matrix.python[1]' of stage 'unit' must be a text, not a mapping"],
            id="mapping-as-a-value",
        ),
        pytest.param(
            UNIT + "    matrix: {python: ['${{ branch }}']}\n",
            ["6:24 error: 'matrix.python[1]' of stage 'unit' takes no expression"],
            id="expression",
        ),
        pytest.param(
            UNIT + MATRIX + "    env: {A: '${{ matrix.pyhton }}'}\n",
            ["7:19 error: the matrix has no 'pyhton' (did you mean 'python'?)"],
            id="unknown-axis-in-an-expression",
        ),
        pytest.param(
            UNIT + "    env: {A: '${{ matrix.python }}'}\n",
            ["6:19 error: stage 'unit' has no matrix"],
            id="matrix-fact-without-a-matrix",
        ),
        pytest.param(
            "defaults: {env: {A: '${{ matrix.os }}'}}\n" + UNIT + MATRIX,
            ["3:26 error: the matrix has no 'os' (it has db, python)"],
            id="matrix-fact-in-defaults",
        ),
        pytest.param(
            UNIT + MATRIX + "  next: {image: 'a:1', needs: [{stage: unit, matrix: {python: 3.11}}]}\n",
            [
                "7:46 error: stage 'next' needs the cell of 'unit' with python '3.11', which does not exist (there is '3.10,sqlite', '3.10,pg', '3.12,sqlite', '3.12,pg')"
            ],
            id="need-cell",
        ),
        pytest.param(
            UNIT + MATRIX + "  next: {image: 'a:1', needs: [{stage: unit, matrix: {os: 3.11}}]}\n",
            ["7:55 error: the matrix of stage 'unit' has no axis 'os'"],
            id="need-axis",
        ),
        pytest.param(
            UNIT + "  next: {image: 'a:1', needs: [{stage: unit, matrix: {os: 3.11}}]}\n",
            ["6:46 error: stage 'next' needs cells of 'unit', which has no matrix"],
            id="need-none",
        ),
        pytest.param(
            UNIT + MATRIX + "  next: {image: 'a:1', needs: ['unit:3.10,pg']}\n",
            [
                "7:32 error: 'unit:3.10,pg' is no stage (write {stage: unit, matrix: {…}} with some of the cell's values)"
            ],
            id="need-text",
        ),
        pytest.param(
            UNIT + "  next: {image: 'a:1', needs: [{stage: unit, emitted: true}]}\n",
            ["6:46 error: stage 'unit' emits no stages"],
            id="emitted-by-a-stage-that-emits-nothing",
        ),
        pytest.param(
            "stages:\n  image: {kind: build, matrix: {v: [1, 2]}}\n  scan: {kind: scan, of: image}\n",
            ["5:26 error: stage 'image' has 2 cells, and one is wanted here (there is 'image:1', 'image:2')"],
            id="several-cells-where-one-is-wanted",
        ),
        pytest.param(
            "stages:\n  image: {kind: build, matrix: {v: [1, 2]}}\n  scan: {kind: scan, of: 'image:3'}\n",
            ["5:26 error: there is no cell 'image:3' (there is 'image:1', 'image:2')"],
            id="unknown-cell-where-one-is-wanted",
        ),
        pytest.param(
            "stages:\n  checkout: {kind: checkout, matrix: {v: [1]}}\n",
            ["4:30 error: there is one checkout: it has no cells"],
            id="checkout-with-cells",
        ),
        pytest.param(
            UNIT + "    matrix: {split: [a]}\n    split: 2\n",
            [
                "6:5 error: stage 'unit' has a split and an axis 'split' (rename the axis)",
                "7:5 warning: the 2 parts of stage 'unit' do the same: no command mentions ECLUSE_SPLIT_… (give $ECLUSE_SPLIT_FILES to the test runner, or ECLUSE_SPLIT_INDEX and ECLUSE_SPLIT_TOTAL)",
            ],
            id="split-axis",
        ),
        pytest.param(
            UNIT + MATRIX + "    outputs: [V]\n  next: {image: 'a:1', env: {V: '${{ stages.unit.outputs.V }}'}}\n",
            ["8:38 error: each cell of stage 'unit' has outputs of its own (such as stages.unit.cells['3.10,sqlite'])"],
            id="outputs-of-a-stage-with-cells",
        ),
        pytest.param(
            UNIT + "    outputs: [VERSION]\n  next: {image: 'a:1', env: {V: '${{ stages.unit.outputs.VERSIN }}'}}\n",
            ["7:38 error: stage 'unit' has no output 'VERSIN' (did you mean 'VERSION'?)"],
            id="output-that-is-not-declared",
        ),
        pytest.param(
            UNIT + MATRIX + "  next: {image: 'a:1', env: {V: \"${{ stages.unit.cells['3.11,pg'].outputs.V }}\"}}\n",
            ["7:34 error: there is no cell 'unit:3.11,pg' (did you mean '3.12,pg'?)"],
            id="outputs-of-an-unknown-cell",
        ),
        pytest.param(
            UNIT + "  next: {image: 'a:1', env: {V: \"${{ stages.unit.cells['3.11,pg'].outputs.V }}\"}}\n",
            ["6:34 error: stage 'unit' has no matrix (read its 'outputs')"],
            id="cells-of-a-stage-without",
        ),
        pytest.param(
            UNIT + "    env: {A: '${{ environment }}'}\n",
            ["6:19 error: stage 'unit' has no environment (deploy and smoke stages have one)"],
            id="environment-where-there-is-none",
        ),
        pytest.param(
            UNIT + "    concurrency: 'a-${{ run.id }}'\n    when: {changed: '${{ run.id }}/**'}\n",
            ["7:26 error: 'run.id' is known only during the run, and this is decided before it"],
            id="late-fact-in-a-condition",
        ),
        pytest.param(
            "concurrency: 'a-${{ run.id }}'\n" + UNIT,
            ["3:21 error: 'run.id' is known only during the run, and this is decided before it"],
            id="late-fact-in-the-run-s-group",
        ),
        pytest.param(
            "concurrency: 'a-${{ matrix.x }}-${{ environment }}'\n" + UNIT,
            [
                "3:21 error: a matrix belongs to a stage: there is none here",
                "3:37 error: there is no environment here (deploy and smoke stages have one)",
            ],
            id="stage-facts-in-the-run-s-group",
        ),
        pytest.param(
            "triggers: {schedule: [{cron: '0 25 * * *'}, {cron: '0 0 3 * * *'}, {cron: '0 3 * * 1-5', timezone: Europe/Pari}, {timezone: UTC}]}\n"
            + UNIT,
            [
                "3:30 error: '0 25 * * *' is not a schedule ('triggers.schedule[1].cron') (its hour '25' cannot be; write minute, hour, day, month and weekday, such as 0 3 * * 1-5)",
                "3:52 error: '0 0 3 * * *' is not a schedule ('triggers.schedule[2].cron') (it has 6 fields; write minute, hour, day, month and weekday, such as 0 3 * * 1-5)",
                "3:100 error: 'Europe/Pari' is not a time zone ('triggers.schedule[3].timezone') (did you mean 'Europe/Paris'?)",
                "3:114 error: 'triggers.schedule[4]' has no 'cron'",
            ],
            id="cron",
        ),
        pytest.param(
            "triggers: {schedule: [{cron: '@daily', timezone: utc}, {cron: '0 0 31 4 *', timezone: localtime}]}\n"
            + UNIT,
            [
                "3:30 error: '@daily' is not a schedule ('triggers.schedule[1].cron') (write 0 0 * * *)",
                "3:50 error: 'utc' is not a time zone ('triggers.schedule[1].timezone') (did you mean 'UTC'?)",
                "3:63 error: '0 0 31 4 *' is not a schedule ('triggers.schedule[2].cron') (its day '31' cannot be; write minute, hour, day, month and weekday, such as 0 3 * * 1-5)",
                "3:87 error: 'localtime' is not a time zone ('triggers.schedule[2].timezone') (that is another one on every machine; write a name such as Europe/Paris or UTC)",
            ],
            id="cron-in-words-of-others",
        ),
        pytest.param(
            "triggers: {pushes: {}, push: {branch: main}}\n" + UNIT,
            [
                "3:12 error: unknown key 'pushes' in 'triggers' (did you mean 'push'?)",
                "3:31 error: unknown key 'branch' in 'triggers.push' (did you mean 'branches'?)",
            ],
            id="unknown-trigger",
        ),
        pytest.param(
            "notify: {on: [faild], to: chat}\n" + UNIT,
            [
                "3:15 error: 'notify[1].on[1]' cannot be 'faild' (did you mean 'failed'?)",
                "3:27 error: 'chat' is not an address ('notify[1].to') (write one such as mattermost://… or mailto://…)",
            ],
            id="notify",
        ),
        pytest.param(
            UNIT + "    emits: ../x.yml\n",
            [
                "6:12 error: '../x.yml' is not a path in the workspace ('emits' of stage 'unit') (write it relative, without '..')"
            ],
            id="emits",
        ),
        pytest.param(
            UNIT + "    devices: kvm\n    network: hots\n    hardened: yes\n",
            [
                "6:14 error: 'kvm' is not a device ('devices[1]' of stage 'unit') (write /dev/NAME, /dev/NAME:/dev/OTHER or /dev/NAME:r)",
                "7:14 error: 'network' of stage 'unit' cannot be 'hots' (did you mean 'host'?)",
                "8:15 error: 'hardened' of stage 'unit' must be true or false, not the text 'yes'",
            ],
            id="devices",
        ),
        pytest.param(
            UNIT + "    split: 0\n", ["6:12 error: 'split' of stage 'unit' must be at least 1, not 0"], id="split"
        ),
        pytest.param(
            UNIT + "    split: {by: tme}\n",
            [
                "6:5 error: 'split' of stage 'unit' has no 'into'",
                "6:17 error: 'split.by' of stage 'unit' cannot be 'tme' (one of timing, count)",
            ],
            id="split-without-into",
        ),
        pytest.param(
            UNIT + "    split: 3\n    commands: ['pytest']\n",
            [
                "6:5 warning: the 3 parts of stage 'unit' do the same: no command mentions ECLUSE_SPLIT_… (give $ECLUSE_SPLIT_FILES to the test runner, or ECLUSE_SPLIT_INDEX and ECLUSE_SPLIT_TOTAL)"
            ],
            id="parts-that-do-the-same",
        ),
        pytest.param(
            UNIT + "    cache: [{key: a}, {paths: [x]}, {key: '', paths: x}]\n",
            [
                "6:13 error: 'cache[1]' of stage 'unit' has no 'paths'",
                "6:23 error: 'cache[2]' of stage 'unit' has no 'key'",
                "6:38 error: 'cache[3].key' of stage 'unit' must not be empty",
            ],
            id="cache",
        ),
        pytest.param(
            UNIT + "    commands: [{run: a, timeout: 3 parsecs}, {timeout: 3s}]\n",
            [
                "6:34 error: '3 parsecs' is not a duration ('commands[1].timeout' of stage 'unit') (write it like 500ms, 30s, 20m, 1h30m or 30d)",
                "6:46 error: 'commands[2]' of stage 'unit' has no 'run'",
            ],
            id="step-timeouts",
        ),
        pytest.param(
            UNIT + "    commands: [{run: 'echo ${{ branch }}'}]\n",
            [
                "6:28 error: an expression cannot stand in 'commands' of stage 'unit': its text would be run (put it under 'env' and use the variable)"
            ],
            id="expression-in-a-step",
        ),
        pytest.param(
            UNIT + "    concurrency: {group: a, policy: wait}\n",
            [
                "6:37 error: 'concurrency.policy' of stage 'unit' cannot be 'wait' (one of queue, cancel_older, cancel_newer)"
            ],
            id="concurrency",
        ),
        pytest.param(
            "stages:\n  dev: {kind: deploy, environment: dev, outputs: [A]}\nenvironments: {dev: {target: {docker: {}}}}\n",
            [
                "4:3 hint: nothing checks what stage 'dev' deploys (add a stage of kind 'smoke' for environment 'dev')",
                "4:41 error: unknown key 'outputs' in a stage of kind 'deploy'",
            ],
            id="key-of-another-kind",
        ),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


def test_one_cell_may_stand_where_one_is_wanted() -> None:
    text = "stages:\n  image: {kind: build, matrix: {v: [1, 2]}}\n  scan: {kind: scan, of: 'image:2'}\n"
    assert problems(text) == []


def test_matrices_that_would_keep_the_machine_busy_are_refused_at_once() -> None:
    """A thousand excludes of twenty thousand cells are a small file, and were a minute of work for each such stage."""
    values = ", ".join(map(str, range(140)))
    excluded = ", ".join(f"{{a: {number // 140}, b: {number % 140}}}" for number in range(100))
    stages = "".join(
        f"  s{number}:\n    image: a:1\n    matrix: {{a: [{values}], b: [{values}]}}\n    exclude: [{excluded}]\n"
        for number in range(2)
    )
    [problem] = problems("stages:\n" + stages)
    assert "with stage 's1' cells are held 3,920,000 times against an exclude or include" in problem
