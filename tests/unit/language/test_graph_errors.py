"""Stages and environments that do not exist, wait in a circle or can never run: the exact words of each error."""

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
    needs: [c]
  b:
    image: a:1
    needs: [a]
  c:
    image: a:1
    needs: [{stage: b, if: finished}]
""",
            """\
pipeline.yml:6:13 error: stages wait for each other: a → c → b → a
    6 |     needs: [c]
      |             ^
  pipeline.yml:6:13: 'a' needs 'c'
    6 |     needs: [c]
      |             ^
  pipeline.yml:12:21: 'c' needs 'b'
   12 |     needs: [{stage: b, if: finished}]
      |                     ^
  pipeline.yml:9:13: 'b' needs 'a'
    9 |     needs: [a]
      |             ^
1 error. Nothing was run.
""",
            id="cycle",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a:
    image: a:1
    needs: [b]
  b:
    image: a:1
""",
            """\
pipeline.yml:6:13 error: stages wait for each other: a → b → a
    6 |     needs: [b]
      |             ^
  pipeline.yml:6:13: 'a' needs 'b'
    6 |     needs: [b]
      |             ^
  pipeline.yml:7:3: 'b' needs 'a'
    7 |   b:
      |   ^
1 error. Nothing was run.
""",
            id="cycle-through-the-order",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', needs: a}}\n",
            """\
pipeline.yml:3:35 error: stages wait for each other: a → a
    3 | stages: {a: {image: 'a:1', needs: a}}
      |                                   ^
  pipeline.yml:3:35: 'a' needs 'a'
    3 | stages: {a: {image: 'a:1', needs: a}}
      |                                   ^
1 error. Nothing was run.
""",
            id="cycle-of-one",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments:
  dev: {target: {docker: {}}, after: prod}
  prod: {target: {docker: {}}, after: [dev]}
""",
            """\
pipeline.yml:5:38 error: environments wait for each other: dev → prod → dev
    5 |   dev: {target: {docker: {}}, after: prod}
      |                                      ^^^^
  pipeline.yml:5:38: 'dev' comes after 'prod'
    5 |   dev: {target: {docker: {}}, after: prod}
      |                                      ^^^^
  pipeline.yml:6:40: 'prod' comes after 'dev'
    6 |   prod: {target: {docker: {}}, after: [dev]}
      |                                        ^^^
1 error. Nothing was run.
""",
            id="cycle-of-environments",
        ),
        pytest.param(
            HEAD
            + """\
stages: {d: {kind: deploy, environment: dve}}
environments: {dev: {target: {docker: {}}, verification: [{http: /}]}}
""",
            """\
pipeline.yml:3:41 error: stage 'd' names the environment 'dve', which does not exist
    3 | stages: {d: {kind: deploy, environment: dve}}
      |                                         ^^^ did you mean 'dev'?
1 error. Nothing was run.
""",
            id="unknown-environment",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  image: {kind: build}
  push: {kind: push, image: imag, to: a/b}
""",
            """\
pipeline.yml:5:29 error: stage 'push' names the stage 'imag', which does not exist
    5 |   push: {kind: push, image: imag, to: a/b}
      |                             ^^^^ did you mean 'image'?
1 error. Nothing was run.
""",
            id="unknown-image-stage",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', source: false, when: {run: on_failure}}}\n",
            """\
pipeline.yml:3:55 error: stage 'a' can never run: it runs on failure, and it needs no stage that could fail
    3 | stages: {a: {image: 'a:1', source: false, when: {run: on_failure}}}
      |                                                       ^^^^^^^^^^
1 error. Nothing was run.
""",
            id="unreachable-on-failure",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a: {image: 'a:1'}
  b: {image: 'a:1', needs: [a, {stage: a, if: failed}]}
""",
            """\
pipeline.yml:5:28 error: stage 'b' can never run: it needs 'a' both to fail and to succeed
    5 |   b: {image: 'a:1', needs: [a, {stage: a, if: failed}]}
      |                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^
1 error. Nothing was run.
""",
            id="unreachable-both-ways",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', when: {branch: main, tag: 'v*'}}}\n",
            """\
pipeline.yml:3:54 error: stage 'a' can never run: a run is for a branch or for a tag, never for both
    3 | stages: {a: {image: 'a:1', when: {branch: main, tag: 'v*'}}}
      |                                                      ^^^^
1 error. Nothing was run.
""",
            id="unreachable-branch-and-tag",
        ),
    ],
)
def test_words(text: str | bytes, expected: str) -> None:
    assert said(text) == expected
