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


@pytest.mark.parametrize("spread", [pytest.param((), id="alone"), pytest.param(("-n", "2"), id="spread")])
def test_only_tests_on_real_servers_are_run_once_more_and_the_summary_says_so(
    tmp_path: Path, spread: tuple[str, ...]
) -> None:
    tests = tmp_path / "tests"
    for folder in ("unit", "contracts", "e2e", "soak"):
        (tests / folder).mkdir(parents=True)
        (tests / folder / f"test_{folder}.py").write_text(FAILS_ONCE.format(mark=str(tmp_path / folder)))
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "environment").symlink_to(ROOT / "tests" / "environment")
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *spread, "tests"]
    lines = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout.splitlines()
    assert "2 failed, 2 passed, 2 rerun in" in lines[-1], "\n".join(lines)
    again = ["RERUN tests/contracts/test_contracts.py::test_it", "RERUN tests/e2e/test_e2e.py::test_it"]
    assert sorted(line for line in lines if line.startswith("RERUN ")) == again
