"""What the documentation shows is true: its pipeline files pass, its tables are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.bootstrap import Kinds
from pipeline.cli.commands import COMMANDS
from pipeline.diagnostic import Severity
from pipeline.errors import ExitCode
from pipeline.expressions.cel import CelExpressions
from pipeline.language.load import load_definition
from pipeline.settings import Settings
from stages import KINDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
FILES = {
    "README.md": re.search(r"```yaml\n(version: 1.*?)```", README, re.DOTALL)[1],  # type: ignore[index]
    "examples/shop": (ROOT / "examples" / "shop" / "pipeline.yml").read_text(),
}


@pytest.mark.parametrize("name", FILES)
def test_pipeline_files_pass(name: str) -> None:
    _, diagnostics = load_definition(
        FILES[name].encode(), file="pipeline.yml", kinds=Kinds(KINDS), expressions=CelExpressions()
    )
    assert [item for item in diagnostics if item.severity is Severity.ERROR] == []


@pytest.mark.parametrize("page", ["README.md", "docs/semantics.md"])
def test_the_table_of_exit_codes_is_that_of_the_code(page: str) -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|$", (ROOT / page).read_text(), re.MULTILINE)
    assert [int(code) for code, _ in rows] == [code.value for code in ExitCode]


def test_every_command_of_the_readme_exists() -> None:
    named = set(re.findall(r"`ecluse ([a-z]+)", README))
    assert named <= set(COMMANDS) | {"run"}
    assert len(named) > 8


def test_every_setting_of_the_readme_exists() -> None:
    table = README[README.index("| setting |") : README.index("## How fast")]
    named = {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named <= {item.name for item in fields(Settings)}
    assert "certificates" in named


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
