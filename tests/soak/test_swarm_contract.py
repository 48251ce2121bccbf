"""All that executors, workspaces and saved layers promise, kept by stages on a real swarm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contracts.ground import Ground, closing, tar_of
from contracts.swarm_ground import swarm_ground
from contracts.test_executor_contract import *  # noqa: F403
from contracts.test_saved_layers_contract import *  # noqa: F403
from contracts.test_workspace_contract import *  # noqa: F403

del test_both_workspaces_of_an_engine_understand_each_other  # noqa: F821 (a swarm has only one)


@pytest.fixture
def ground(request: pytest.FixtureRequest, tmp_home: Path) -> Iterator[Ground]:
    """The swarm, whatever a test would have asked for."""
    yield from closing(swarm_ground(request, tmp_home))


@pytest.fixture
def tar() -> Callable[..., bytes]:
    """As in the contracts."""
    return tar_of
