"""What `ecluse check` says about stages that build and push."""

from __future__ import annotations

import pytest
from workbench import definition, stage

from pipeline.model.definition import StageDefinition
from stages import build, push

IMAGE = stage("image", "build", needs=("checkout",))
CHECKOUT = stage("checkout", "checkout")
SCAN = stage("scan", "scan", needs=("image",), of="image")


@pytest.mark.parametrize(
    ("own", "messages"),
    [
        pytest.param(stage("p", "push", needs=("image",), image="image", to="r.example/a", tags=["1"]), [], id="right"),
        pytest.param(stage("p", "push", needs=("scan",), image="image", to="r.example/a"), [], id="through-others"),
        pytest.param(
            stage("p", "push", needs=("checkout",), image="image", to="r.example/a"),
            ["stage 'p' takes the image of 'image' without needing it"],
            id="not-needed",
        ),
        pytest.param(
            stage("p", "push", needs=("image",), image="scan", to="r.example/a"),
            ["'image' of stage 'p' names 'scan', which is not a build stage"],
            id="not-a-build",
        ),
        pytest.param(
            stage("p", "push", needs=("image",), image="imag", to="r.example/a"),
            ["'image' of stage 'p' names 'imag', which is not a build stage"],
            id="unknown",
        ),
        pytest.param(
            stage("p", "push", needs=("image",), image="image", to="r.example/Team/a:1", tags=[".x", "ok"]),
            ["'r.example/Team/a:1' is not a repository", "'.x' is not a tag"],
            id="names",
        ),
        pytest.param(
            stage("p", "push", needs=("image",), image="image", to="${{ variables.X }}", tags="${{ slug(branch) }}"),
            [],
            id="expressions-are-judged-later",
        ),
    ],
)
def test_push(own: StageDefinition, messages: list[str]) -> None:
    found = push.KIND.problems(own, definition(CHECKOUT, IMAGE, SCAN, own))
    assert [problem.message for problem in found] == messages


@pytest.mark.parametrize(
    ("own", "messages"),
    [
        pytest.param(stage("b", "build", context="app", dockerfile="ci/Dockerfile"), [], id="right"),
        pytest.param(stage("b", "build", context="../x"), ["'context' leaves the repository: '../x'"], id="above"),
        pytest.param(stage("b", "build", dockerfile="/D"), ["'dockerfile' leaves the repository: '/D'"], id="absolute"),
    ],
)
def test_build(own: StageDefinition, messages: list[str]) -> None:
    assert [problem.message for problem in build.KIND.problems(own, definition(own))] == messages
