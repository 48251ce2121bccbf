"""Warnings and hints: the exact words of each."""

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
    env:
      T: ghp_0123456789abcdefghijklmnopqrstuvwxyz
""",
            """\
pipeline.yml:7:10 warning: a GitHub token is written in clear
    7 |       T: ghp_************************************
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ name it under 'secrets', and replace it: it is in the history
1 warning.
""",
            id="secret-in-clear",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: registry.example.org:5000/team/python}}\n",
            """\
pipeline.yml:3:21 warning: image 'registry.example.org:5000/team/python' has no tag: it means something else tomorrow
    3 | stages: {a: {image: registry.example.org:5000/team/python}}
      |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ write python:<version>, or pin it with @sha256:…
1 warning.
""",
            id="image-without-a-tag",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', services: {db: 'postgres:latest'}}}\n",
            """\
pipeline.yml:3:43 warning: image 'postgres:latest' has the tag 'latest': it means something else tomorrow
    3 | stages: {a: {image: 'a:1', services: {db: 'postgres:latest'}}}
      |                                           ^^^^^^^^^^^^^^^^^ write postgres:<version>, or pin it with @sha256:…
1 warning.
""",
            id="image-with-latest",
        ),
        pytest.param(
            HEAD
            + """\
stages: {d: {kind: deploy, environment: dev}}
environments: {dev: {target: {docker: {}}}}
""",
            """\
pipeline.yml:3:10 hint: nothing checks what stage 'd' deploys
    3 | stages: {d: {kind: deploy, environment: dev}}
      |          ^ add a stage of kind 'smoke' for environment 'dev'
1 hint.
""",
            id="deploy-without-smoke",
        ),
    ],
)
def test_words(text: str | bytes, expected: str) -> None:
    assert said(text) == expected
