"""The demonstration, as `make demo` runs it: deployed, broken, mended; and gone again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment import leftovers as traces
from environment.command import Command

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.sh"


@pytest.fixture
def demo(ecluse: Command, engine: str, registry: str, installation: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The demonstration's environment, in a folder with a space; taken down afterwards."""
    folder = tmp_path / "demo folder"
    environment = {
        **ecluse.environment(),
        "ECLUSE_DEMO_DIR": str(folder),
        "ECLUSE_DEMO_INSTALLATION": installation,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    yield environment
    subprocess.run([DEMO, "down"], env=environment, check=True, capture_output=True, timeout=120)
    assert not folder.exists()
    assert traces.objects(engine, installation) == {}


@pytest.mark.timeout(1800)
def test_the_demonstration_deploys_refuses_and_mends(demo: dict[str, str]) -> None:
    played = subprocess.run([DEMO], env=demo, capture_output=True, text=True, timeout=1700)
    said = played.stdout + played.stderr
    assert played.returncode == 0, said[-4000:]
    positions = [
        said.index(words)
        for words in (
            "shop #1 succeeded",
            '"version":"1.0.0"',
            "unit failed: 3 tests failed",
            "shop #2 failed",
            'The old version goes on serving: {"commit"',
            "shop #3 succeeded",
            '"version":"1.1.0"',
            "as the ledger says",
            "Have a look",
        )
    ]
    assert positions == sorted(positions)
    for kind in ("checkout", "wheels", "unit", "image", "scan", "push", "dev", "smoke"):
        assert f"● {kind} succeeded" in said
