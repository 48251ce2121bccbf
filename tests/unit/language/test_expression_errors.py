"""Expressions where none may stand, or that mean nothing: the exact words of each error."""

from __future__ import annotations

import pytest
from language_file import HEAD, said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            HEAD
            + """\
stages:
  a:
    image: a:1
    commands:
      - make
      - echo ${{ commit.message }}
""",
            """\
pipeline.yml:8:14 error: an expression cannot stand in 'commands' of stage 'a': its text would be run
    8 |       - echo ${{ commit.message }}
      |              ^^^ put it under 'env' and use the variable
1 error. Nothing was run.
""",
            id="expression-in-a-command",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a:
    image: a:1
    commands: |
      make
      echo ${{ branch }}
""",
            """\
pipeline.yml:8:12 error: an expression cannot stand in 'commands' of stage 'a': its text would be run
    8 |       echo ${{ branch }}
      |            ^^^ put it under 'env' and use the variable
1 error. Nothing was run.
""",
            id="expression-in-a-script",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', after: 'echo ${{ branch }}'}}\n",
            """\
pipeline.yml:3:41 error: an expression cannot stand in 'after' of stage 'a': its text would be run
    3 | stages: {a: {image: 'a:1', after: 'echo ${{ branch }}'}}
      |                                         ^^^ put it under 'env' and use the variable
1 error. Nothing was run.
""",
            id="expression-in-after",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', shell: ['${{ branch }}']}}\n",
            """\
pipeline.yml:3:37 error: an expression cannot stand in 'shell' of stage 'a': its text would be run
    3 | stages: {a: {image: 'a:1', shell: ['${{ branch }}']}}
      |                                     ^^^ put it under 'env' and use the variable
1 error. Nothing was run.
""",
            id="expression-in-shell",
        ),
        pytest.param(
            HEAD + "variables: {A: 'x-${{ branch }}'}\nstages: {a: {image: 'a:1'}}\n",
            """\
pipeline.yml:3:19 error: 'variables.A' takes no expression
    3 | variables: {A: 'x-${{ branch }}'}
      |                   ^^^
1 error. Nothing was run.
""",
            id="expression-where-none-can-stand",
        ),
        pytest.param(
            HEAD
            + """\
variables: {IMAGE: a}
stages: {a: {image: 'a:1', env: {X: 'x-${{ variables.IMAG }}'}}}
""",
            """\
pipeline.yml:4:44 error: variable 'IMAG' is not defined
    4 | stages: {a: {image: 'a:1', env: {X: 'x-${{ variables.IMAG }}'}}}
      |                                            ^^^^^^^^^^^^^^ did you mean 'IMAGE'?
1 error. Nothing was run.
""",
            id="undefined-variable",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', env: {X: '${{ variables.Q }}'}}}\n",
            """\
pipeline.yml:3:42 error: variable 'Q' is not defined
    3 | stages: {a: {image: 'a:1', env: {X: '${{ variables.Q }}'}}}
      |                                          ^^^^^^^^^^^ define it under 'variables'
1 error. Nothing was run.
""",
            id="undefined-variable-none-near",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', env: {X: '${{ branch + }}'}}}\n",
            """\
pipeline.yml:3:38 error: in the expression 'branch +': it ends too early
    3 | stages: {a: {image: 'a:1', env: {X: '${{ branch + }}'}}}
      |                                      ^^^^^^^^^^^^^^^
1 error. Nothing was run.
""",
            id="expression-does-not-parse",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', env: {X: 'a ${{ branch'}}}\n",
            """\
pipeline.yml:3:40 error: '${{' is never closed
    3 | stages: {a: {image: 'a:1', env: {X: 'a ${{ branch'}}}
      |                                        ^^^ close it with '}}'
1 error. Nothing was run.
""",
            id="expression-is-not-closed",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', env: {X: '${{ brnch }}'}}}\n",
            """\
pipeline.yml:3:38 error: in the expression 'brnch': there is no value 'brnch'
    3 | stages: {a: {image: 'a:1', env: {X: '${{ brnch }}'}}}
      |                                      ^^^^^^^^^^^^ did you mean 'branch'?
1 error. Nothing was run.
""",
            id="expression-names-nothing",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', env: {X: '${{ matrix.python }}'}}}\n",
            """\
pipeline.yml:3:42 error: stage 'a' has no matrix
    3 | stages: {a: {image: 'a:1', env: {X: '${{ matrix.python }}'}}}
      |                                          ^^^^^^^^^^^^^
1 error. Nothing was run.
""",
            id="matrix-where-there-is-none",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', when: {if: branch}}}\n",
            """\
pipeline.yml:3:39 error: in the expression 'branch': it gives a text, and a condition must give true or false
    3 | stages: {a: {image: 'a:1', when: {if: branch}}}
      |                                       ^^^^^^
1 error. Nothing was run.
""",
            id="condition-is-no-bool",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', when: {if: run.number == 'a'}}}\n",
            """\
pipeline.yml:3:39 error: in the expression 'run.number == 'a'': '==' does not go with number and text
    3 | stages: {a: {image: 'a:1', when: {if: run.number == 'a'}}}
      |                                       ^^^^^^^^^^^^^^^^^
1 error. Nothing was run.
""",
            id="condition-compares-apples",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', when: {if: \"stages.b.conclusion == 'failed'\"}}}\n",
            """\
pipeline.yml:3:40 error: stage 'b' does not exist
    3 | stages: {a: {image: 'a:1', when: {if: "stages.b.conclusion == 'failed'"}}}
      |                                        ^^^^^^^^
1 error. Nothing was run.
""",
            id="condition-of-unknown-stage",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a: {image: 'a:1', needs: []}
  b: {image: 'a:1', needs: [], when: {if: "stages.a.conclusion == 'failed'"}}
""",
            """\
pipeline.yml:5:44 error: stage 'b' reads stage 'a', which it does not need: it may not be done by then
    5 |   b: {image: 'a:1', needs: [], when: {if: "stages.a.conclusion == 'failed'"}}
      |                                            ^^^^^^^^ add 'a' to its 'needs'
1 error. Nothing was run.
""",
            id="condition-of-a-stage-that-is-not-needed",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  unit: {image: 'a:1', matrix: {v: [3.10], db: [x]}, outputs: V, commands: x}
  tell: {image: 'a:1', env: {V: "${{ stages['unit:3.10,x'].outputs.V }}"}, commands: x}
""",
            """\
pipeline.yml:5:34 error: a cell of 'unit' is not read by its name
    5 |   tell: {image: 'a:1', env: {V: "${{ stages['unit:3.10,x'].outputs.V }}"}, commands: x}
      |                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ write stages.unit.cells['3.10,x']
1 error. Nothing was run.
""",
            id="a-cell-by-its-name",
        ),
    ],
)
def test_words(text: str | bytes, expected: str) -> None:
    assert said(text) == expected
