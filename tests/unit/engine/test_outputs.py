"""What commands write to $ECLUSE_OUTPUT, and what is wrong with it."""

from __future__ import annotations

import pytest
from container_folder import ContainerFolder

from pipeline.engine.masking import Masker
from pipeline.engine.outputs import LIMIT, OutputsError, declared, read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A=1\nB=2\n", {"A": "1", "B": "2"}, id="lines"),
        pytest.param("B=2\nA=\n\nA=1", {"A": "1", "B": "2"}, id="the-later-line-wins"),
        pytest.param("A=x=y z\nB= \n", {"A": "x=y z", "B": " "}, id="values-as-they-are"),
        pytest.param("A<<END\none\n\nB=no\nEND\nB=2\n", {"A": "one\n\nB=no", "B": "2"}, id="several-lines"),
        pytest.param("A<<E\nE\nB=é\n", {"A": "", "B": "é"}, id="no-line"),
    ],
)
def test_values(text: str, expected: dict[str, str]) -> None:
    assert declared(text, ("A", "B"), masked=str, note=pytest.fail) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("A=1\nnothing\nB=1", "line 2 is not NAME=value", id="no-assignment"),
        pytest.param("A-B=1\n", "line 1 is not NAME=value", id="no-name"),
        pytest.param("A<<END\none\n", "the value that begins on line 1 has no line 'END' at its end", id="no-end"),
        pytest.param("C=1\n", "it has not written A, B to $ECLUSE_OUTPUT", id="missing"),
        pytest.param("A=1\nB=my-s3cret-word\n", "B holds a secret, and outputs are stored as they are", id="secret"),
    ],
)
def test_problems(text: str, problem: str) -> None:
    masker = Masker()
    masker.add("s3cret-word")
    with pytest.raises(OutputsError) as caught:
        declared(text, ("A", "B"), masked=masker.text, note=lambda _: None)
    assert str(caught.value) == problem


def test_names_that_nobody_declared_are_dropped_and_said() -> None:
    notes: list[str] = []
    assert declared("A=1\nZ=2\n", ("A",), masked=str, note=notes.append) == {"A": "1"}
    assert notes == ["output 'Z' is dropped: the stage does not list it under `outputs`"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"A=" + b"x" * LIMIT, "they are longer than 64 KiB", id="too-long"),
        pytest.param(b"A=\xff\n", "they are no UTF-8 text", id="no-text"),
    ],
)
def test_files_that_cannot_be_read(container: ContainerFolder, content: bytes, problem: str) -> None:
    container.write("/ecluse/output", content)
    with pytest.raises(OutputsError) as caught:
        read(container)
    assert str(caught.value) == problem


def test_the_file_in_the_container(container: ContainerFolder) -> None:
    assert read(container) == ""
    container.write("/ecluse/output", b"A=1\n")
    assert read(container) == "A=1\n"


def test_a_link_in_its_place_is_not_followed(container: ContainerFolder) -> None:
    container.link("/ecluse/output", "/etc/passwd")
    with pytest.raises(OutputsError, match="no regular file"):
        read(container)
