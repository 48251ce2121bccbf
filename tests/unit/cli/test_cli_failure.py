"""Errors at the door: one clear message, what to do next, the right exit status."""

from __future__ import annotations

import click
import pytest

from pipeline.cli.failure import told
from pipeline.diagnostic import Diagnostic, Position, Severity
from pipeline.errors import (
    CancelledError,
    DefinitionError,
    DiskFullError,
    EngineUnreachableError,
    NotFoundError,
    RefusedError,
)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        pytest.param(
            NotFoundError("there is no run 9", hint="see `ecluse runs`"),
            2,
            "error: there is no run 9\n  see `ecluse runs`\n",
            id="not-found",
        ),
        pytest.param(
            EngineUnreachableError("no container engine answers at unix:///x", hint="start it"),
            3,
            "error: no container engine answers at unix:///x\n  start it\n",
            id="engine",
        ),
        pytest.param(DiskFullError("no space left"), 3, "error: no space left\n", id="disk-full"),
        pytest.param(RefusedError("not allowed\nsecond line"), 4, "error: not allowed\n  second line\n", id="refused"),
        pytest.param(CancelledError("interrupted"), 130, "error: interrupted\n", id="cancelled"),
        pytest.param(KeyboardInterrupt(), 130, "interrupted\n", id="ctrl-c"),
        pytest.param(click.Abort(), 130, "interrupted\n", id="abort"),
        pytest.param(
            click.UsageError("no such option: --x"),
            2,
            "error: no such option: --x\n  see 'ecluse --help'\n",
            id="usage",
        ),
        pytest.param(
            click.MissingParameter(param=click.Argument(["host"], type=click.Choice(["gitlab", "github"]))),
            2,
            "error: Missing argument 'HOST'. Choose from: gitlab, github\n  see 'ecluse --help'\n",
            id="missing-word",
        ),
        pytest.param(
            ZeroDivisionError("division by zero\nmore"),
            3,
            "error: this is a defect in Écluse (ZeroDivisionError: division by zero)\n"
            "  run again with --debug and report what it prints\n",
            id="defect",
        ),
    ],
)
def test_what_is_said(error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(error) == code
    assert capsys.readouterr().err == text


PIPELINE = """\
version: 1
stages:
  unit:
    needs: [checkou]
    comands: make
"""


def test_a_wrong_file_is_shown_as_a_compiler_would(capsys: pytest.CaptureFixture[str]) -> None:
    error = DefinitionError(
        "pipeline.yml has 2 errors",
        diagnostics=[
            Diagnostic(
                code="unknown-stage",
                message="stage 'unit' needs 'checkou', which does not exist",
                position=Position(file="pipeline.yml", line=4, column=13, length=7),
                note="did you mean 'checkout'?",
            ),
            Diagnostic(
                code="unknown-key",
                message="unknown key 'comands' in a stage of kind 'run'",
                position=Position(file="pipeline.yml", line=5, column=5, length=7),
                severity=Severity.WARNING,
                related=(("defined here", Position(file="pipeline.yml", line=3, column=3, length=4)),),
            ),
        ],
    )
    error.sources = {"pipeline.yml": PIPELINE.encode()}
    assert told(error) == 2
    assert capsys.readouterr().err == (
        "pipeline.yml:4:13 error: stage 'unit' needs 'checkou', which does not exist\n"
        "    4 |     needs: [checkou]\n"
        "      |             ^^^^^^^ did you mean 'checkout'?\n"
        "pipeline.yml:5:5 warning: unknown key 'comands' in a stage of kind 'run'\n"
        "    5 |     comands: make\n"
        "      |     ^^^^^^^\n"
        "pipeline.yml:3:3 defined here\n"
        "    3 |   unit:\n"
        "      |   ^^^^\n"
        "1 error, 1 warning. Nothing was run.\n"
    )


def test_a_caret_stands_below_its_word_behind_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Diagnostic(code="x", message="odd", position=Position(file="f", line=1, column=4, length=2))
    error = DefinitionError("wrong", diagnostics=[problem])
    error.sources = {"f": "水門 ab".encode()}
    told(error)
    assert capsys.readouterr().err.splitlines()[1:3] == ["    1 | 水門 ab", "      |      ^^"]
