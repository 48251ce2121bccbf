"""Over how many processes a run of the tests is spread, and what must stay together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MOST = 4
"""More of them at once would wait for the one engine."""
ON_THE_SWARM = ("swarm", "tests/e2e/test_demo.py")
"""Words in the names of tests that share one swarm: three engines, which nobody should start twice."""


def processes(asked: Sequence[str]) -> int:
    """One for each processor; 0, which is this very process, where only files are asked for."""
    if asked and all(Path(word.partition("::")[0]).is_file() for word in asked):
        return 0
    found = min(MOST, len(os.sched_getaffinity(0)))
    return found if found > 1 else 0


def lane(test: str) -> str:
    """What is run by one process, one after the other: a file, or all that needs the swarm."""
    file = test.partition("::")[0]
    real = not file.startswith("tests/unit/")
    return "swarm" if real and any(word in test for word in ON_THE_SWARM) else file


def worker() -> str:
    """Two digits of this process's own; of the one that starts the others, and of one alone: 00."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    return f"{int(name.removeprefix('gw')) + 1:02x}" if name else "00"


def scheduler(config: Any, log: Any) -> Any:
    """Hands lanes out in the order in which their first tests were collected."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Lanes(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return lane(nodeid)

    config.option.loadscopereorder = False
    return Lanes(config, log)
