"""Which docker target an environment asks for: one container that is handed its ports, or several behind a proxy."""

from __future__ import annotations

from pipeline.model.definition import EnvironmentDefinition
from pipeline.ports.target import Target
from pipeline.settings import Settings


def docker_target(environment: EnvironmentDefinition, settings: Settings, *, service: str = "") -> Target:
    """The one with a proxy where the environment names one."""
    if "proxy" in environment.target:
        from pipeline.targets.docker.proxied import ProxiedTarget

        return ProxiedTarget(environment, settings, service=service)
    from pipeline.targets.docker.target import DockerTarget

    return DockerTarget(environment, settings, service=service)
