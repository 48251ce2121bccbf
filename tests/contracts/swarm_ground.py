"""The swarm executor under contract, on three real nodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contracts.ground import Ground
from environment.swarm import Swarm

from pipeline.executors.swarm.executor import SwarmExecutor
from pipeline.settings import Settings
from pipeline.storage.objects import FolderObjects


def swarm_settings(swarm: Swarm, home: Path, python: str, *, doors: bool) -> Settings:
    """Those of a machine that reaches a manager; and the other nodes too, unless through `doors`."""
    sockets = swarm.manager.folder.parent
    return Settings(
        home=home,
        executor="swarm",
        docker_host=swarm.manager.url,
        grace=2.0,
        host_network=True,
        swarm_image=python,
        swarm_socket=f"{sockets}/{{{{.Node.Hostname}}}}/docker.sock",
        swarm_engines="" if doors else f"unix://{sockets}/{{hostname}}/docker.sock",
    )


def ground_of(settings: Settings, image: str) -> Ground:
    """An executor with those settings."""
    executor = SwarmExecutor(settings, FolderObjects(settings.home / "shelf"))
    return Ground(kind="swarm", settings=settings, executor=executor, image=image)


def swarm_ground(request: pytest.FixtureRequest, home: Path, *, doors: bool = False, **more: Any) -> Ground:
    """The shared swarm and its images."""
    swarm, image, python = (request.getfixturevalue(name) for name in ("swarm", "swarm_image", "swarm_python"))
    return ground_of(replace(swarm_settings(swarm, home, python, doors=doors), **more), image)
