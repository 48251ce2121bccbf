"""The simulated day of `make bench-scale`, as small as it can be: it must not rot between two measurements."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "bench/scale.py"
TINY = {
    "repositories": 2,
    "runs": 3,
    "stages": 3,
    "workers": 1,
    "visitors": 1,
    "day": 2,
    "idle": 0.5,
    "stage-seconds": 0.1,
    "stage-lines": 10,
}


@pytest.mark.parametrize(
    ("database", "word", "told"),
    [
        pytest.param("postgresql", "PostgreSQL", "1,000,000 stages a day: worked out |", id="postgresql"),
        pytest.param("sqlite", "SQLite", "| `deliveries` | 1.0 |", id="sqlite"),
    ],
)
def test_a_small_day_passes_and_leaves_its_figures_and_nothing_else(
    tmp_path: Path, database: str, word: str, told: str
) -> None:
    begin, end = (f"<!-- measured by `make bench-scale` on {word}: {part} -->" for part in ("begin", "end"))
    page, scratch = tmp_path / "scale.md", tmp_path / "scratch"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    scratch.mkdir()
    words = [part for name, value in TINY.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words, "--database", database, "--page", str(page)],
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    text = page.read_text()
    assert text.startswith(f"before\n{begin}\n"), text
    assert text.endswith(f"{end}\nafter\n"), text
    assert told in text
    assert "3 runs of 3 stages" in text
    assert "nothing lost, double or wrong" in text
    assert "old" not in text.splitlines()
    assert list(scratch.iterdir()) == []
