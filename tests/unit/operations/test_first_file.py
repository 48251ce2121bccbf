"""A first pipeline file: whatever lies in a repository, it passes the check."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest

from pipeline.bootstrap import Application
from pipeline.errors import UsageError
from pipeline.operations.check import check
from pipeline.operations.first_file import first_file

MARKS = ("pyproject.toml", "package.json", "go.mod", "Cargo.toml", "pom.xml", "build.gradle", "Makefile", "Dockerfile")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state" / "home"
    monkeypatch.setenv("ECLUSE_HOME", str(path))
    return path


@pytest.mark.parametrize(
    "marks",
    [
        pytest.param((), id="nothing"),
        *(pytest.param((mark,), id=mark) for mark in MARKS),
        *(pytest.param(pair, id="+".join(pair)) for pair in combinations(MARKS, 2)),
        pytest.param(MARKS, id="everything"),
    ],
)
def test_the_first_file_passes_the_check(tmp_path: Path, marks: tuple[str, ...]) -> None:
    for mark in marks:
        (tmp_path / mark).write_text("test:\n\ttrue\n" if mark == "Makefile" else "")
    (tmp_path / "pipeline.yml").write_text(first_file(tmp_path).text)
    app = Application()
    checked = check(app, tmp_path, file="pipeline.yml")
    assert [item for item in checked.diagnostics if item.severity.value == "error"] == []


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipeline.yml")
    app = Application()
    with pytest.raises(UsageError, match="is not a file"):
        check(app, tmp_path, file="pipeline.yml")


def test_nobody_else_can_look_into_a_home_folder_that_was_made(home: Path) -> None:
    assert "test" in Application().kinds
    assert home.stat().st_mode & 0o777 == 0o700
