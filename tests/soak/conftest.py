"""What several of the long tests stand on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from environment import server_image as its_build
from environment.places import find


@pytest.fixture(scope="session")
def server_image(tmp_path_factory: pytest.TempPathFactory, engine: str, images: Any) -> Iterator[str]:
    """The server's image, built from this checkout; its name."""
    folder = tmp_path_factory.mktemp("context")
    name = f"ecluse-server-test:{secrets.token_hex(4)}"
    with its_build.server_image(find(), folder, url=engine, base=images.python, name=name) as made:
        yield made
