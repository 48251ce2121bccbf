"""Tests that are spread over processes: files stay whole, and all that needs the swarm is with one of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from environment.spreading import lane

ROOT = Path(__file__).resolve().parents[2]
TELLS_BY_WHOM = """
import os, pytest

@pytest.mark.parametrize("kind", {kinds})
def test_it(kind, request):
    with open({told!r}, "a") as told:
        told.write(f"{{os.environ['PYTEST_XDIST_WORKER']}} {{request.node.nodeid}}\\n")
"""


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        pytest.param("tests/unit/test_a.py::test_it", "tests/unit/test_a.py", id="file"),
        pytest.param("tests/unit/swarm/test_a.py::test_it[swarm]", "tests/unit/swarm/test_a.py", id="unit"),
        pytest.param("tests/contracts/test_a.py::test_it[docker]", "tests/contracts/test_a.py", id="another-executor"),
        pytest.param("tests/contracts/test_a.py::test_it[swarm]", "swarm", id="executor"),
        pytest.param("tests/contracts/test_swarm_load.py::test_it", "swarm", id="file-of-the-swarm"),
        pytest.param("tests/e2e/test_demo.py::test_it", "swarm", id="demonstration"),
    ],
)
def test_what_stays_together(test: str, expected: str) -> None:
    assert lane(test) == expected


def test_files_stay_whole_and_the_swarm_has_one_process(tmp_path: Path) -> None:
    tests, told = tmp_path / "tests", tmp_path / "told"
    for file, kinds in (
        *((f"unit/test_{name}.py", ("x", "y", "z")) for name in "abcdef"),
        *((f"contracts/test_{name}.py", ("swarm", "docker")) for name in "ghij"),
        ("e2e/test_swarm.py", ("x", "y")),
    ):
        (tests / file).parent.mkdir(parents=True, exist_ok=True)
        (tests / file).write_text(TELLS_BY_WHOM.format(kinds=kinds, told=str(told)))
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "environment").symlink_to(ROOT / "tests" / "environment")
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "tests"]
    lines = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout.splitlines()
    assert "28 passed in" in lines[-1], "\n".join(lines)
    by_lane, floors = defaultdict(set), defaultdict(list)
    for line in told.read_text().splitlines():
        process, test = line.split(" ")
        by_lane[lane(test)].add(process)
        floors[process].append(test.split("/")[1])
    assert {name: len(processes) for name, processes in by_lane.items()} == dict.fromkeys(by_lane, 1)
    for seen in floors.values():
        assert "unit" not in seen[seen.count("unit") :], seen
