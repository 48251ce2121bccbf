"""Lines and stages of a Dockerfile, and the instruction that a builder means."""

from __future__ import annotations

import pytest

from stages.dockerfile import find, has_stage, instructions, stage_names

DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG VERSION=3.11
FROM python:${VERSION} AS base

# what everybody needs
RUN pip install \\
    # the web part
    flask \\

    gunicorn
COPY --from=other a b
RUN <<EOF
FROM not an instruction
RUN neither
EOF
from base as Production
RUN echo done
FROM scratch
"""


def test_instructions_know_their_first_line() -> None:
    assert [(item.line, item.word) for item in instructions(DOCKERFILE)] == [
        (2, "ARG"),
        (3, "FROM"),
        (6, "RUN"),
        (11, "COPY"),
        (12, "RUN"),
        (16, "FROM"),
        (17, "RUN"),
        (18, "FROM"),
    ]


def test_continued_lines_are_joined_without_comments() -> None:
    assert instructions(DOCKERFILE)[2].text.split() == ["RUN", "pip", "install", "flask", "gunicorn"]


def test_stages() -> None:
    assert stage_names(DOCKERFILE) == ("base", "Production", "2")


@pytest.mark.parametrize(
    ("target", "there"), [("base", True), ("production", True), ("2", True), ("0", True), ("3", False), ("nope", False)]
)
def test_targets(target: str, there: bool) -> None:
    assert has_stage(DOCKERFILE, target) is there


@pytest.mark.parametrize(
    ("step", "line"),
    [
        pytest.param("RUN pip install     flask     gunicorn", 6, id="joined-as-builders-do"),
        pytest.param("RUN echo done", 17, id="exact"),
        pytest.param("FROM python:3.11 AS base", 3, id="variables-replaced"),
        pytest.param("COPY --from=other  a  b", 11, id="spaces"),
        pytest.param("RUN something else entirely", None, id="unknown"),
        pytest.param("[internal] load metadata", None, id="not-an-instruction"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_step_that_a_builder_shows(step: str, line: int | None) -> None:
    found = find(DOCKERFILE, step)
    assert (found.line if found else None) == line


def test_another_escape_character() -> None:
    text = "# escape=`\nFROM a\nRUN one `\n  two\nRUN C:\\tool\\\n"
    assert [(item.line, item.text.split()) for item in instructions(text)] == [
        (2, ["FROM", "a"]),
        (3, ["RUN", "one", "two"]),
        (5, ["RUN", "C:\\tool\\"]),
    ]
