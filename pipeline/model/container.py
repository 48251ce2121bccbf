"""What an executor is asked to run: a container, its view of the workspace, its limits and its services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.model.definition import Resources, ServiceDefinition
from pipeline.model.value import digest_of, to_value

WORKSPACE = "/workspace"
"""Where every stage sees its workspace, and its default working directory."""

EXCHANGE = "/ecluse"
"""Where a container that asks for it finds the folder through which it hands things to the engine. An executor that
cannot mount one there maps values of `environment` that are this path, or begin with it and a slash, to its own."""

UNFED = 119
"""How a script ends that found its standard input cut off. A container that is found ended so, without having printed
anything, has not run: it is created anew."""


class Network(StrEnum):
    """What a container can reach: `SHARED` may join a sandbox of the run, `OWN` gets its own, `NONE` nothing;
    `HOST` is the machine's, and only where its settings allow it."""

    SHARED = "shared"
    OWN = "own"
    NONE = "none"
    HOST = "host"


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A stage's sight of the workspace: it writes into `layer` and sees the layers `below`, nearest first."""

    layer: str
    below: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerSpec:
    """One container of a stage attempt. Secrets are kept apart: they are never part of the digest or a label.

    `command` None runs the image's own command; `entrypoint` None keeps the image's. `stdin` is handed to the
    process and then closed; it is how secrets and scripts arrive without showing in the engine's records.
    """

    stage: str
    attempt: int
    step: str
    image: str
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    view: View | None = None
    workdir: str | None = None
    user: str | None = None
    network: Network = Network.SHARED
    resources: Resources = field(default_factory=Resources)
    services: tuple[ServiceDefinition, ...] = ()
    grace: float = 10.0
    """Seconds between SIGTERM and SIGKILL when cancelled."""
    hardened: bool = False
    """Read-only root file system and no capabilities at all."""
    privileged: bool = False
    devices: tuple[str, ...] = ()
    exchange: bool = False
    """Whether it gets an empty folder at `EXCHANGE`, writable by any user, that can be read when it has ended."""

    @property
    def digest(self) -> str:
        """What must match before a found container is taken for this one."""
        return digest_of(to_value(self))


class Stream(StrEnum):
    """Which of the two outputs of a process a chunk came from."""

    OUT = "out"
    ERR = "err"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """How a container ended: its code, whether the kernel killed it for memory, whether it was cancelled."""

    code: int
    out_of_memory: bool = False
    cancelled: bool = False
    seconds: float = 0.0
