"""What the engine is told when a stage's container is created: limits, rights, mounts and environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.executors.docker.rights import devices, rights
from pipeline.model.container import WORKSPACE, ContainerSpec
from pipeline.model.definition import ServiceDefinition
from pipeline.model.identity import (
    LABEL_ATTEMPT,
    LABEL_SPEC,
    LABEL_STAGE,
    LABEL_STEP,
    ROLE_SERVICE,
    ROLE_STAGE,
    RunIdentity,
)
from pipeline.settings import CERTIFICATE_VARIABLES, CERTIFICATES_PATH, Settings, stage_environment

LABEL_BOOT = "io.ecluse.boot"
"""The boot of the host in which a container was made; an exit code from another boot is not believed."""
LOG_FILE_FACTOR = 5
"""The engine's own log file holds JSON around each line: so many times the limit of a log fit before it turns over."""
GIT_TRUSTS_ALL = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What every container of a run gets from the machine."""

    settings: Settings
    run: RunIdentity
    boot: str
    variables: Mapping[str, str] = field(default_factory=dict)
    certificates: str = ""
    """The bundle's path on the engine's host; "" = none."""


def variables_of(settings: Settings, host: Mapping[str, str], *, certificates: bool) -> dict[str, str]:
    """Environment of every container: proxy, certificate bundle, and git's trust in folders that others own."""
    bundle = dict.fromkeys(CERTIFICATE_VARIABLES, CERTIFICATES_PATH) if certificates else {}
    return {**GIT_TRUSTS_ALL, **stage_environment(settings, host), **bundle}


def stage_config(
    spec: ContainerSpec, around: Surroundings, *, network: str, mounts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The body of the create request for a stage's container."""
    config: dict[str, Any] = {
        "Image": spec.image,
        "Env": _environment(around.variables, spec.environment),
        "Labels": around.run.labels(
            ROLE_STAGE,
            **{
                _key(LABEL_STAGE): spec.stage,
                _key(LABEL_ATTEMPT): str(spec.attempt),
                _key(LABEL_STEP): spec.step,
                _key(LABEL_SPEC): spec.digest,
                _key(LABEL_BOOT): around.boot,
            },
        ),
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "HostConfig": _host(around, spec, network, mounts, privileged=spec.privileged),
    }
    if spec.entrypoint is not None:
        config["Entrypoint"] = list(spec.entrypoint)
    if spec.command is not None:
        config["Cmd"] = list(spec.command)
    workdir = spec.workdir or (WORKSPACE if spec.view else None)
    if workdir:
        config["WorkingDir"] = workdir
    if spec.user:
        config["User"] = spec.user
    return config


def service_config(
    service: ServiceDefinition, spec: ContainerSpec, around: Surroundings, *, network: str
) -> dict[str, Any]:
    """The body of the create request for a service: reachable under its name, without workspace."""
    config: dict[str, Any] = {
        "Image": service.image,
        "Env": _environment(stage_environment(around.settings, {}), service.env),
        "Labels": around.run.labels(ROLE_SERVICE, **{_key(LABEL_STAGE): spec.stage}),
        "HostConfig": _host(around, None, network, (), privileged=service.privileged),
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [service.name]}}},
    }
    if service.command is not None:
        config["Cmd"] = list(service.command)
    return config


def _host(
    around: Surroundings,
    spec: ContainerSpec | None,
    network: str,
    mounts: Sequence[Mapping[str, Any]],
    *,
    privileged: bool,
) -> dict[str, Any]:
    settings = around.settings
    hardened = spec is not None and spec.hardened
    resources = spec.resources if spec else None
    host: dict[str, Any] = {
        "Init": True,
        "NetworkMode": network,
        "Mounts": [*mounts, *_certificates(around)] if spec else [],
        **rights(privileged=privileged, hardened=hardened),
        "PidsLimit": (resources.pids if resources else None) or settings.pids,
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": str(LOG_FILE_FACTOR * settings.log_limit), "max-file": "1"},
        },
    }
    if spec is not None and spec.devices:
        host["Devices"] = devices(spec.devices)
    if hardened:
        host |= {"ReadonlyRootfs": True, "Tmpfs": {"/tmp": "", "/run": ""}}  # noqa: S108 (the container's own)
    memory = (resources.memory if resources else None) or settings.memory
    if memory:
        # swap beyond it would let a stage crawl instead of failing
        host |= {"Memory": memory, "MemorySwap": memory}
    cpu = (resources.cpu if resources else None) or settings.cpu
    if cpu:
        host["NanoCpus"] = int(cpu * 1_000_000_000)
    return host


def _certificates(around: Surroundings) -> list[dict[str, Any]]:
    if not around.certificates:
        return []
    return [{"Type": "bind", "Source": around.certificates, "Target": CERTIFICATES_PATH, "ReadOnly": True}]


def _environment(defaults: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in {**defaults, **own}.items()]


def _key(label: str) -> str:
    return label.removeprefix("io.ecluse.")
