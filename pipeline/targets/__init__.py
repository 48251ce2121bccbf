"""Where releases live: each target is one module behind `pipeline.ports.target.Target`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TARGETS: Final[Mapping[str, str]] = {
    "compose": "pipeline.targets.compose.target:ComposeTarget",
    "docker": "pipeline.targets.docker.kinds:docker_target",
    "swarm": "pipeline.targets.swarm.target:SwarmTarget",
}
"""Name to `module:attribute`; each takes the EnvironmentDefinition, the machine's Settings and `service=` (the
pipeline's name, which keeps two pipelines with an environment of the same name apart)."""
