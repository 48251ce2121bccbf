"""The reference of the pipeline file is true to the code: its examples load, and it names every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from language_file import KINDS, said

from pipeline.language.schema import Grammar
from pipeline.language.unsupported import UNSUPPORTED

PAGE = (Path(__file__).parents[3] / "docs" / "pipeline-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
NAMED = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`\n]+)`", PAGE))))
GRAMMAR = Grammar(KINDS)


@pytest.mark.parametrize("example", [pytest.param(text, id=f"example-{index}") for index, text in enumerate(EXAMPLES)])
def test_examples_pass_the_check(example: str) -> None:
    assert said(example) == ""


@pytest.mark.parametrize(
    ("what", "keys"),
    [
        ("file", list(GRAMMAR.file()["properties"])),
        ("environment", list(GRAMMAR.file()["properties"]["environments"]["additionalProperties"]["properties"])),
        *((kind, list(GRAMMAR.stage(kind)["properties"])) for kind in sorted(KINDS)),
        *((f"later in {frame}", sorted(keys)) for frame, keys in UNSUPPORTED.items()),
    ],
)
def test_every_key_is_named(what: str, keys: list[str]) -> None:
    assert [key for key in keys if key not in NAMED] == [], what
