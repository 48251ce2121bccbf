"""Where containers run: each executor is one module behind `pipeline.ports.executor.Executor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXECUTORS: Final[Mapping[str, str]] = {
    "docker": "pipeline.executors.docker.executor:DockerExecutor",
    "process": "pipeline.executors.process:ProcessExecutor",
    "swarm": "pipeline.executors.swarm.executor:SwarmExecutor",
}
"""Name to `module:class`; each takes the machine's Settings, and those in `SHELVED` also where layers are stored.
`scripted` is for tests and takes its script."""

SHELVED: Final = frozenset({"swarm"})
"""Executors of more than one machine: layers go from one to another through a `pipeline.ports.storage.Shelf`."""
