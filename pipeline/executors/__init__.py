"""Where containers run: each executor is one module behind `pipeline.ports.executor.Executor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXECUTORS: Final[Mapping[str, str]] = {
    "docker": "pipeline.executors.docker.executor:DockerExecutor",
    "process": "pipeline.executors.process:ProcessExecutor",
}
"""Name to `module:class`; each takes the machine's Settings. `scripted` is for tests and takes its script."""
