"""What several of these tests stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from environment.command import Command
from environment.repository import Repository
from shop_ground import Shop, opened


@pytest.fixture
def shop(
    git_repo: Callable[..., Repository],
    images: Any,
    registry: str,
    engine: str,
    tmp_path: Path,
    installation: str,
    ecluse: Command,
) -> Iterator[Shop]:
    """A service with environments `dev` and `prod`, not deployed yet."""
    with opened(
        ecluse,
        git_repo,
        tmp_path,
        image=images.busybox,
        registry=registry,
        engine=engine,
        installation=installation,
    ) as made:
        yield made
