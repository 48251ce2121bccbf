"""The demonstration, as `make demo` runs it: deployed, broken, mended, over a swarm to prod; and gone again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment import leftovers as traces
from environment.command import Command
from environment.swarm import Swarm

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.sh"


@pytest.fixture
def demo(
    ecluse: Command, engine: str, registry: str, installation: str, swarm: Swarm, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """The demonstration's environment, in a folder with a space; taken down afterwards."""
    folder = tmp_path / "demo folder"
    environment = {
        **ecluse.environment(),
        "ECLUSE_DEMO_DIR": str(folder),
        "ECLUSE_DEMO_INSTALLATION": installation,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ECLUSE_TEST_SWARM": swarm.manager.url,
        "ECLUSE_TEST_SWARM_REGISTRY": swarm.registry,
        "NO_COLOR": "1",
    }
    yield environment
    subprocess.run([DEMO, "down"], env=environment, check=True, capture_output=True, timeout=120)
    assert not folder.exists()
    assert swarm.manager.docker("service", "ls", "--quiet") == ""
    assert traces.objects(engine, installation) == {}


@pytest.mark.timeout(1800)
def test_the_demonstration_deploys_refuses_mends_and_promotes(demo: dict[str, str], swarm: Swarm) -> None:
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
            "The same bytes to staging: 3-",
            "copied (",
            "2 of 2 instances run",
            "0 of 2 approvals of release-managers; waits for 2 of anna, bob",
            "approved by anna, bob",
            'prod serves: {"commit"',
            "shop #4 succeeded",
            "body '[]', wants 'apple' in it",
            "in staging: rolled back",
            "shop #5 succeeded",
            "reverted by",
            '"version":"1.2.1"',
            "Why prod runs what it runs",
            "signed: looked at it in staging",
            "Have a look",
        )
    ]
    assert positions == sorted(positions)
    for kind in ("checkout", "wheels", "unit", "image", "scan", "push", "dev", "smoke"):
        assert f"● {kind} succeeded" in said
    assert swarm.manager.docker("service", "ls", "--format", "{{.Name}}") == "shop"
