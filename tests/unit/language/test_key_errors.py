"""Unknown, missing, doubled and wrongly typed keys: the exact words of each error."""

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
  unit:
    kind: test
    needs: [checkou]
    image: python:3.12
    comands: pytest
    reports: {junit: report.xml}
""",
            """\
pipeline.yml:6:13 error: stage 'unit' needs 'checkou', which does not exist
    6 |     needs: [checkou]
      |             ^^^^^^^ did you mean 'checkout'?
pipeline.yml:8:5 error: unknown key 'comands' in a stage of kind 'test'
    8 |     comands: pytest
      |     ^^^^^^^ did you mean 'commands'?
2 errors. Nothing was run.
""",
            id="unknown-stage-and-key",
        ),
        pytest.param(
            HEAD
            + """\
stagse: {}
stages: {a: {image: 'a:1'}}
""",
            """\
pipeline.yml:3:1 error: unknown key 'stagse' at the top of the file
    3 | stagse: {}
      | ^^^^^^ did you mean 'stages'?
1 error. Nothing was run.
""",
            id="unknown-key-at-the-top",
        ),
        pytest.param(
            HEAD
            + """\
defaults: {imgae: 'a:1'}
stages: {a: {image: 'a:1'}}
""",
            """\
pipeline.yml:3:12 error: unknown key 'imgae' in the defaults
    3 | defaults: {imgae: 'a:1'}
      |            ^^^^^ did you mean 'image'?
1 error. Nothing was run.
""",
            id="unknown-key-in-defaults",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', when: {branches: main}}}\n",
            """\
pipeline.yml:3:35 error: unknown key 'branches' in 'when' of stage 'a'
    3 | stages: {a: {image: 'a:1', when: {branches: main}}}
      |                                   ^^^^^^^^ did you mean 'branch'?
1 error. Nothing was run.
""",
            id="unknown-key-in-when",
        ),
        pytest.param(
            HEAD + "stages: {a: {kind: build, commands: make}}\n",
            """\
pipeline.yml:3:27 error: unknown key 'commands' in a stage of kind 'build'
    3 | stages: {a: {kind: build, commands: make}}
      |                           ^^^^^^^^
1 error. Nothing was run.
""",
            id="common-key-that-the-kind-does-not-take",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments: {dev: {target: {docker: {replica: 2}}}}
""",
            """\
pipeline.yml:4:40 error: unknown key 'replica' in 'target.docker' of environment 'dev'
    4 | environments: {dev: {target: {docker: {replica: 2}}}}
      |                                        ^^^^^^^ did you mean 'replicas'?
1 error. Nothing was run.
""",
            id="unknown-key-in-a-target",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments: {dev: {target: {docker: {}}, notify: []}}
""",
            """\
pipeline.yml:4:44 error: 'notify' is not supported yet in this version
    4 | environments: {dev: {target: {docker: {}}, notify: []}}
      |                                            ^^^^^^
1 error. Nothing was run.
""",
            id="notify-comes-later",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments: {dev: {target: {kubernetes: {}}}}
""",
            """\
pipeline.yml:4:31 error: 'kubernetes' is not supported yet in this version
    4 | environments: {dev: {target: {kubernetes: {}}}}
      |                               ^^^^^^^^^^
1 error. Nothing was run.
""",
            id="target-comes-later",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: [a, b]}}\n",
            """\
pipeline.yml:3:21 error: 'image' of stage 'a' must be a text, not a list
    3 | stages: {a: {image: [a, b]}}
      |                     ^^^^^^
1 error. Nothing was run.
""",
            id="wrong-type-list-for-text",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', resources: {cpu: many}}}\n",
            """\
pipeline.yml:3:45 error: 'resources.cpu' of stage 'a' must be a number, not the text 'many'
    3 | stages: {a: {image: 'a:1', resources: {cpu: many}}}
      |                                             ^^^^
1 error. Nothing was run.
""",
            id="wrong-type-text-for-number",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', allow_failure: yes}}\n",
            """\
pipeline.yml:3:43 error: 'allow_failure' of stage 'a' must be true or false, not the text 'yes'
    3 | stages: {a: {image: 'a:1', allow_failure: yes}}
      |                                           ^^^
1 error. Nothing was run.
""",
            id="wrong-type-text-for-bool",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', after: [{run: make}]}}\n",
            """\
pipeline.yml:3:36 error: 'after[1]' of stage 'a' must be a text, not a mapping
    3 | stages: {a: {image: 'a:1', after: [{run: make}]}}
      |                                    ^^^^^^^^^^^
1 error. Nothing was run.
""",
            id="wrong-type-map-for-commands-that-run-afterwards",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a:
    image:
""",
            """\
pipeline.yml:5:5 error: 'image' of stage 'a' has no value: it must be a text
    5 |     image:
      |     ^^^^^
1 error. Nothing was run.
""",
            id="no-value",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a: make
""",
            """\
pipeline.yml:4:6 error: stage 'a' must be a mapping, not a text
    4 |   a: make
      |      ^^^^
1 error. Nothing was run.
""",
            id="stage-is-no-mapping",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  - a
""",
            """\
pipeline.yml:4:3 error: 'stages' must be a mapping, not a list
    4 |   - a
      |   ^^^
1 error. Nothing was run.
""",
            id="stages-is-a-list",
        ),
        pytest.param(
            HEAD + "stages: {}\n",
            """\
pipeline.yml:3:1 error: 'stages' must not be empty
    3 | stages: {}
      | ^^^^^^
1 error. Nothing was run.
""",
            id="no-stages",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', when: {run: allways}}}\n",
            """\
pipeline.yml:3:40 error: 'when.run' of stage 'a' cannot be 'allways'
    3 | stages: {a: {image: 'a:1', when: {run: allways}}}
      |                                        ^^^^^^^ did you mean 'always'?
1 error. Nothing was run.
""",
            id="wrong-word",
        ),
        pytest.param(
            """\
version: 2
name: shop
stages: {a: {image: 'a:1'}}
""",
            """\
pipeline.yml:1:10 error: 'version' must be 1, not 2
    1 | version: 2
      |          ^
1 error. Nothing was run.
""",
            id="wrong-version",
        ),
        pytest.param(
            "stages: {a: {image: 'a:1'}}\n",
            """\
pipeline.yml:1:1 error: the file has no 'version'
    1 | stages: {a: {image: 'a:1'}}
      | ^^^^^^
pipeline.yml:1:1 error: the file has no 'name'
    1 | stages: {a: {image: 'a:1'}}
      | ^^^^^^
2 errors. Nothing was run.
""",
            id="missing-top-keys",
        ),
        pytest.param(
            HEAD + "stages: {a: {commands: make}}\n",
            """\
pipeline.yml:3:10 error: stage 'a' of kind 'run' has no 'image'
    3 | stages: {a: {commands: make}}
      |          ^ write it here or under 'defaults'
1 error. Nothing was run.
""",
            id="missing-image",
        ),
        pytest.param(
            HEAD + "stages: {unit: {kind: test, image: 'a:1'}}\n",
            """\
pipeline.yml:3:10 error: stage 'unit' of kind 'test' has no 'reports'
    3 | stages: {unit: {kind: test, image: 'a:1'}}
      |          ^^^^
1 error. Nothing was run.
""",
            id="missing-reports",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments: {dev: {}}
""",
            """\
pipeline.yml:4:16 error: environment 'dev' has no 'target'
    4 | environments: {dev: {}}
      |                ^^^
1 error. Nothing was run.
""",
            id="missing-target",
        ),
        pytest.param(
            HEAD + "stages: {a: {kind: tset, image: 'a:1'}}\n",
            """\
pipeline.yml:3:20 error: stage 'a' is of the unknown kind 'tset'
    3 | stages: {a: {kind: tset, image: 'a:1'}}
      |                    ^^^^ did you mean 'test'?
1 error. Nothing was run.
""",
            id="unknown-kind",
        ),
        pytest.param(
            HEAD + "stages: {checkout: {image: 'a:1'}}\n",
            """\
pipeline.yml:3:10 error: the name 'checkout' belongs to the stage of kind 'checkout' that is put first
    3 | stages: {checkout: {image: 'a:1'}}
      |          ^^^^^^^^ use another name, or write a stage of that kind
1 error. Nothing was run.
""",
            id="reserved-name",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments: {dev: {target: {docker: {}}, verification: [{http: /, tcp: 'a:1'}, {status: 200}]}}
""",
            """\
pipeline.yml:4:59 error: 'verification[1]' of environment 'dev' has 'http' and 'tcp', of which one can stand
    4 | environments: {dev: {target: {docker: {}}, verification: [{http: /, tcp: 'a:1'}, {status: 200}]}}
      |                                                           ^^^^^^^^^^^^^^^^^^^^^
pipeline.yml:4:82 error: 'verification[2]' of environment 'dev' needs 'http', 'tcp', 'command', \
'health', 'prometheus' or 'log'
    4 | environments: {dev: {target: {docker: {}}, verification: [{http: /, tcp: 'a:1'}, {status: 200}]}}
      |                                                                                  ^^^^^^^^^^^^^
2 errors. Nothing was run.
""",
            id="one-of-several",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a: {image: 'a:1'}
  a: {image: 'b:1'}
""",
            """\
pipeline.yml:5:3 error: the key 'a' is written twice
    5 |   a: {image: 'b:1'}
      |   ^ first in line 4
  pipeline.yml:4:3: first here
    4 |   a: {image: 'a:1'}
      |   ^
1 error. Nothing was run.
""",
            id="duplicate-key",
        ),
        pytest.param(
            HEAD
            + """\
jobs: {}
defaults: {script: x}
stages: {a: {image: 'a:1', matrix: {v: [1]}, include: [{v: 2}], reports: {script: x}}}
""",
            """\
pipeline.yml:3:1 error: unknown key 'jobs' at the top of the file
    3 | jobs: {}
      | ^^^^ here it is 'stages'
pipeline.yml:4:12 error: unknown key 'script' in the defaults
    4 | defaults: {script: x}
      |            ^^^^^^ here it is 'commands'
pipeline.yml:5:46 error: unknown key 'include' in a stage of kind 'run'
    5 | stages: {a: {image: 'a:1', matrix: {v: [1]}, include: [{v: 2}], reports: {script: x}}}
      |                                              ^^^^^^^ write it inside 'matrix'
pipeline.yml:5:75 error: unknown key 'script' in 'reports' of stage 'a'
    5 | stages: {a: {image: 'a:1', matrix: {v: [1]}, include: [{v: 2}], reports: {script: x}}}
      |                                                                           ^^^^^^
4 errors. Nothing was run.
""",
            id="keys-of-other-systems",
        ),
    ],
)
def test_words(text: str | bytes, expected: str) -> None:
    assert said(text) == expected
