"""Durations, sizes, images, names: the exact words of each error."""

# ruff: noqa: E501 - the words stand as they are said

from __future__ import annotations

import pytest
from language_file import HEAD, said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            HEAD + "stages: {unit-test: {image: 'a:1'}}\n",
            """\
pipeline.yml:3:10 error: 'unit-test' is not a stage name
    3 | stages: {unit-test: {image: 'a:1'}}
      |          ^^^^^^^^^ lower-case letters, digits and _, a letter first (a hyphen is a minus in expressions)
1 error. Nothing was run.
""",
            id="bad-stage-name",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', env: {MY-NAME: x}}}\n",
            """\
pipeline.yml:3:34 error: 'MY-NAME' is not a variable name
    3 | stages: {a: {image: 'a:1', env: {MY-NAME: x}}}
      |                                  ^^^^^^^ letters, digits and _, no digit first
1 error. Nothing was run.
""",
            id="bad-variable-name",
        ),
        pytest.param(
            """\
version: 1
name: My Shop
stages: {a: {image: 'a:1'}}
""",
            """\
pipeline.yml:2:7 error: 'My Shop' is not a pipeline name ('name')
    2 | name: My Shop
      |       ^^^^^^^ lower-case letters, digits and . _ -, at most 63 characters
1 error. Nothing was run.
""",
            id="bad-pipeline-name",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', timeout: 20 minutes}}\n",
            """\
pipeline.yml:3:37 error: '20 minutes' is not a duration ('timeout' of stage 'a')
    3 | stages: {a: {image: 'a:1', timeout: 20 minutes}}
      |                                     ^^^^^^^^^^ write it like 500ms, 30s, 20m, 1h30m or 30d
1 error. Nothing was run.
""",
            id="bad-duration",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', resources: {memory: 1 GiBi}}}\n",
            """\
pipeline.yml:3:48 error: '1 GiBi' is not a size ('resources.memory' of stage 'a')
    3 | stages: {a: {image: 'a:1', resources: {memory: 1 GiBi}}}
      |                                                ^^^^^^ write it like 512MiB or 1GiB
1 error. Nothing was run.
""",
            id="bad-size",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'Python:3.12'}}\n",
            """\
pipeline.yml:3:21 error: 'Python:3.12' is not an image reference ('image' of stage 'a')
    3 | stages: {a: {image: 'Python:3.12'}}
      |                     ^^^^^^^^^^^^^ write it like python:3.12-slim or registry.example.org/shop:1.0
1 error. Nothing was run.
""",
            id="bad-image",
        ),
        pytest.param(
            HEAD
            + """\
variables: {V: '3'}
stages: {a: {image: 'Python:${{ variables.V }}'}}
""",
            """\
pipeline.yml:4:21 error: 'Python:${{ variables.V }}' is not an image reference ('image' of stage 'a')
    4 | stages: {a: {image: 'Python:${{ variables.V }}'}}
      |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^ write it like python:3.12-slim or registry.example.org/shop:1.0
1 error. Nothing was run.
""",
            id="bad-image-around-an-expression",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a:
    image: a:1
    retry: {max: 11, on: sometimes}
""",
            """\
pipeline.yml:6:18 error: 'retry.max' of stage 'a' must be at most 10, not 11
    6 |     retry: {max: 11, on: sometimes}
      |                  ^^
pipeline.yml:6:26 error: 'sometimes' is not a reason to retry ('retry.on[1]' of stage 'a')
    6 |     retry: {max: 11, on: sometimes}
      |                          ^^^^^^^^^ write errored, failed, timed_out, 'exit 75', 'reason: some text' or 'log: some text'
2 errors. Nothing was run.
""",
            id="bad-retry",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments:
  dev: {target: {docker: {publish: [8080, '1:99999', '127.0.0.1:8080:80']}}}
""",
            """\
pipeline.yml:5:37 error: '8080' is not a published port ('target.docker.publish[1]' of environment 'dev')
    5 |   dev: {target: {docker: {publish: [8080, '1:99999', '127.0.0.1:8080:80']}}}
      |                                     ^^^^ write [address:]host port:container port, such as 8080:80
pipeline.yml:5:43 error: '1:99999' is not a published port ('target.docker.publish[2]' of environment 'dev')
    5 |   dev: {target: {docker: {publish: [8080, '1:99999', '127.0.0.1:8080:80']}}}
      |                                           ^^^^^^^^^ write [address:]host port:container port, such as 8080:80
2 errors. Nothing was run.
""",
            id="bad-port",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments: {dev: {target: {docker: {volumes: /etc:/etc}}}}
""",
            """\
pipeline.yml:4:49 error: '/etc:/etc' is not a named volume ('target.docker.volumes[1]' of environment 'dev')
    4 | environments: {dev: {target: {docker: {volumes: /etc:/etc}}}}
      |                                                 ^^^^^^^^^ write name:/path or name:/path:ro
1 error. Nothing was run.
""",
            id="bad-volume",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
environments: {dev: {target: {docker: {replicas: 2}}}}
""",
            """\
pipeline.yml:4:50 error: environment 'dev' wants 2 replicas and has no proxy in front of them
    4 | environments: {dev: {target: {docker: {replicas: 2}}}}
      |                                                  ^ write 'proxy', or 'replicas: 1': only one container can hold a published port
1 error. Nothing was run.
""",
            id="bad-replicas",
        ),
        pytest.param(
            HEAD + "stages: {image: {kind: build}, a: {kind: scan, of: image, checks: [sbom, sbom]}}\n",
            """\
pipeline.yml:3:67 error: 'checks' of stage 'a' holds 'sbom' twice
    3 | stages: {image: {kind: build}, a: {kind: scan, of: image, checks: [sbom, sbom]}}
      |                                                                   ^^^^^^^^^^^^
1 error. Nothing was run.
""",
            id="bad-list-with-twice-the-same",
        ),
    ],
)
def test_words(text: str | bytes, expected: str) -> None:
    assert said(text) == expected
