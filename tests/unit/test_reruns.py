"""Which tests may be run once more: none of those that talk to nobody."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAILS_ONCE = """
from pathlib import Path

def test_it(tmp_path):
    mark = Path({mark!r})
    before = mark.exists()
    mark.touch()
    assert before
"""


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        pytest.param("unit", "1 failed in", id="unit"),
        pytest.param("contracts", "1 passed, 1 rerun in", id="contracts"),
        pytest.param("e2e", "1 passed, 1 rerun in", id="e2e"),
        pytest.param("soak", "1 failed in", id="soak"),
    ],
)
def test_who_fails_once(tmp_path: Path, folder: str, words: str) -> None:
    tests = tmp_path / "tests"
    (tests / folder).mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "environment").symlink_to(ROOT / "tests" / "environment")
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    (tests / folder / "test_it.py").write_text(FAILS_ONCE.format(mark=str(tmp_path / "mark")))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert words in done.stdout.splitlines()[-1], done.stdout + done.stderr
    assert ("RERUN " in done.stdout) == ("rerun" in words)
