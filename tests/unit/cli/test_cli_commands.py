"""The table of commands: all of them are there, quick to list, and explained."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from pipeline.cli.commands import COMMANDS, ecluse
from pipeline.errors import ExitCode


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in COMMANDS])
def test_every_command_of_the_table_has_a_page_of_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ecluse.main([name, "--help"], prog_name="ecluse", standalone_mode=False) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: ecluse {name} ")
    assert len(text.splitlines()[2].strip()) > 20


def test_help_lists_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    ecluse.main(["--help"], prog_name="ecluse", standalone_mode=False)
    text = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n  {name} " not in text] == []
    assert [code for code in ExitCode if f"{code.value:>5}  " not in text] == []


def test_a_name_that_is_nearly_right_gets_a_suggestion() -> None:
    with pytest.raises(click.UsageError, match="there is no command 'relases'; did you mean 'releases'"):
        ecluse.main(["relases"], prog_name="ecluse", standalone_mode=False)


def test_listing_the_commands_imports_none_of_them() -> None:
    program = (
        "import sys; from pipeline.cli.commands import ecluse; ecluse.main(['--help'], standalone_mode=False);"
        "heavy = [name for name in ('rich', 'docker', 'sqlalchemy', 'yaml', 'git', 'jsonschema', 'pipeline.cli.run')"
        " if name in sys.modules]; sys.exit(str(heavy) if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_plain_and_json_output_never_import_rich() -> None:
    program = (
        "import sys; import pipeline.cli.run, pipeline.cli.render.plain, pipeline.cli.render.events;"
        "sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize(
    "path", [pytest.param("", id="empty"), pytest.param(".", id="here"), pytest.param("/", id="root")]
)
@pytest.mark.parametrize("name", ["check", "plan", "expand", "run", "init"])
def test_a_file_without_a_name_is_refused(name: str, path: str) -> None:
    with pytest.raises(click.BadParameter, match=f"'{path}' names no file"):
        ecluse.main([name, "--file", path], prog_name="ecluse", standalone_mode=False)
