"""How problems look: the file's own line, a caret below the words, the ending line."""

from __future__ import annotations

import pytest

from pipeline.diagnostic import Diagnostic, Position, Severity
from pipeline.language.diagnostics import ending, render


def problem(line: int, column: int, length: int, *, severity: Severity = Severity.ERROR, note: str = "") -> Diagnostic:
    return Diagnostic(
        code="x",
        message="wrong",
        position=Position(file="f.yml", line=line, column=column, length=length),
        severity=severity,
        note=note,
    )


@pytest.mark.parametrize(
    ("found", "text", "expected"),
    [
        pytest.param(
            problem(2, 3, 2), b"a\n  bc: d\n", "f.yml:2:3 error: wrong\n    2 |   bc: d\n      |   ^^\n", id="caret"
        ),
        pytest.param(
            problem(1, 1, 1, note="did you mean 'b'?"),
            b"a\n",
            "f.yml:1:1 error: wrong\n    1 | a\n      | ^ did you mean 'b'?\n",
            id="note",
        ),
        pytest.param(
            problem(9, 1, 1, note="why"), b"a\n", "f.yml:9:1 error: wrong\n      = why\n", id="behind-the-end"
        ),
        pytest.param(
            problem(1, 50, 9), b"ab\r\n", "f.yml:1:50 error: wrong\n    1 | ab\n      |   ^\n", id="long-column"
        ),
        pytest.param(
            problem(1, 2, 1),
            "\ufeffa\tb\x1b[31m".encode(),
            "f.yml:1:2 error: wrong\n    1 | a\tb\ufffd[31m\n      |  ^\n",
            id="bom",
        ),
        pytest.param(
            problem(12345, 1, 1),
            b"\n" * 12344 + b"a",
            "f.yml:12345:1 error: wrong\n12345 | a\n      | ^\n",
            id="big-number",
        ),
        pytest.param(
            problem(1, 201, 3),
            b"x" * 200 + b"abc" + b"y" * 200,
            "f.yml:1:201 error: wrong\n    1 | " + "x" * 40 + "abc" + "y" * 116 + "…\n      | " + " " * 40 + "^^^\n",
            id="long-line",
        ),
    ],
)
def test_one_problem(found: Diagnostic, text: bytes, expected: str) -> None:
    assert render([found], {"f.yml": text}) == expected + "1 error. Nothing was run.\n"


def test_a_file_that_is_not_there_is_named_without_its_line() -> None:
    assert render([problem(1, 1, 1)], {}) == "f.yml:1:1 error: wrong\n1 error. Nothing was run.\n"


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], ""),
        ([Severity.ERROR], "1 error. Nothing was run."),
        ([Severity.ERROR, Severity.ERROR], "2 errors. Nothing was run."),
        ([Severity.WARNING, Severity.ERROR, Severity.HINT], "1 error, 1 warning, 1 hint. Nothing was run."),
        ([Severity.WARNING, Severity.WARNING], "2 warnings."),
        ([Severity.HINT], "1 hint."),
    ],
)
def test_the_ending_line(severities: list[Severity], expected: str) -> None:
    assert ending([problem(1, 1, 1, severity=severity) for severity in severities]) == expected


def test_nothing_to_say_is_nothing() -> None:
    assert render([], {}) == ""


def test_a_secret_is_not_printed_with_any_problem_of_its_line() -> None:
    secret = Diagnostic(
        code="secret-in-clear", message="clear", position=Position(file="f.yml", line=1, column=4, length=12)
    )
    printed = render([problem(1, 1, 2), secret], {"f.yml": b"T: ghp_12345678 # x"})
    assert "12345678" not in printed
    assert printed.count("    1 | T: ghp_******** # x\n") == 2
