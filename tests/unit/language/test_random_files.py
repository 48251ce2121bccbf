"""Whatever stands in a file, it is a definition or a list of problems with places inside the file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_file import EXPRESSIONS, FILE, HEAD, KINDS

from pipeline.diagnostic import Severity
from pipeline.errors import DefinitionError
from pipeline.language.diagnostics import render
from pipeline.language.load import load_definition
from pipeline.model.definition import Definition

# fmt: off
WORDS = [
    "version", "name", "stages", "environments", "defaults", "variables", "kind", "needs", "image", "commands",
    "env", "when", "if", "run", "secrets", "services", "target", "docker", "checks", "http", "environment",
    "of", "to", "tags", "artifacts", "paths", "reports", "junit", "timeout", "retry", "max", "resources",
    "gates", "soaked", "for", "approvals", "window", "timezone", "allow", "check", "strategy",
    "canary", "steps", "from",
    "test", "build", "push", "deploy", "smoke", "scan", "checkout", "<<",
]
# fmt: on
TEXTS = st.one_of(
    st.sampled_from([*WORDS, "", "1", "true", "null", "~", "3.10", "20m", "1GiB", "a:1", "latest", "always"]),
    st.sampled_from(
        ["${{ branch }}", "${{ variables.X }}", "${{", "}}", "${{ stages.a.conclusion }}", "x ${{ 1 + }} y"]
    ),
    st.text(max_size=8),
)
VALUES = st.recursive(
    TEXTS,
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(TEXTS, below, max_size=5)),
    max_leaves=12,
)


def outcome(text: bytes) -> None:
    """Load, and hold what comes out to what is promised."""
    try:
        definition, diagnostics = load_definition(text, file=FILE, kinds=KINDS, expressions=EXPRESSIONS)
        assert isinstance(definition, Definition)
        assert all(item.severity is not Severity.ERROR for item in diagnostics)
    except DefinitionError as error:
        diagnostics = error.diagnostics
        assert any(item.severity is Severity.ERROR for item in diagnostics)
    for item in diagnostics:
        assert item.position.file == FILE
        assert item.position.line >= 1
        assert item.position.column >= 1
        assert item.position.length >= 1
        assert item.message
        assert "\n" not in item.message
    render(diagnostics, {FILE: text})


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_bytes(data: bytes) -> None:
    outcome(data)


@given(st.text(st.sampled_from("ab:-[]{}#&*!|>'\"%@`, \n\t?<$0"), max_size=80))
@settings(max_examples=250, deadline=None)
def test_marks(text: str) -> None:
    outcome(text.encode())
    outcome((HEAD + "stages:\n  " + text).encode())


@given(
    st.lists(st.sampled_from([*(f"{word}: " for word in WORDS), "\n", "  ", "- ", "a", "[", "]", "{", "}", ", ", "1"]))
)
@settings(max_examples=250, deadline=None)
def test_pieces(pieces: list[str]) -> None:
    outcome("".join(pieces).encode())


@given(st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6), st.dictionaries(TEXTS, VALUES, max_size=5))
@settings(max_examples=80, deadline=None)
def test_structures(stage: dict[str, object], file: dict[str, object]) -> None:
    outcome(written({"version": 1, "name": "x", **file, "stages": {"a": stage, "b": {"image": "a:1"}}}).encode())


def written(value: object) -> str:
    """A value in YAML's flow style; texts with letters only stay plain, so that they may mean something else."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    text = str(value)
    if text.isalnum() and text.isascii():
        return text
    return '"' + "".join(f"\\U{ord(letter):08x}" if ord(letter) < 55296 else "?" for letter in text) + '"'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("[" * 100_000, "too-deep", id="nested-lists"),
        pytest.param("a: " * 3, "syntax", id="nested-keys"),
        pytest.param("{" * 100_000, "too-deep", id="nested-mappings"),
        pytest.param("- " * 100_000, "too-deep", id="nested-items"),
        pytest.param(
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
            "too-big",
            id="billion-laughs",
        ),
        pytest.param(
            "a0: &a0 {k0: x}\n"
            + "".join(f"a{n}: &a{n} {{k{n}: [*a{n - 1}, *a{n - 1}], <<: *a{n - 1}}}\n" for n in range(1, 40)),
            "too-big",
            id="billion-merges",
        ),
        pytest.param("#" * (10 * 1024 * 1024 + 1), "too-big", id="ten-mebibytes"),
    ],
)
def test_hostile_files_are_refused(text: str, code: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        load_definition(text.encode(), file=FILE, kinds=KINDS, expressions=EXPRESSIONS)
    assert [item.code for item in refused.value.diagnostics] == [code]


def test_a_chain_of_thousands_of_stages_is_no_recursion() -> None:
    text = HEAD + "stages:\n" + "".join(f"  s{n}: {{image: 'a:1'}}\n" for n in range(3000))
    definition, _ = load_definition(text.encode(), file=FILE, kinds=KINDS, expressions=EXPRESSIONS)
    assert len(definition.stages) == 3001
