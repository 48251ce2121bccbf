"""The engine's image store: building, inspecting, pushing and exporting images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Protocol

from pipeline.model.container import Stream
from pipeline.model.run import BuiltImage
from pipeline.ports.cancellation import Cancellation


class BuildOutput(Protocol):
    """Takes the log of a build."""

    def write(self, stream: Stream, chunk: bytes) -> None:
        """A chunk as it came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSpec:
    """What to build. `context` comes apart, as a tar stream already filtered by `.dockerignore`.

    `reference` is the local name under which the image is kept; `secrets` are offered to `RUN --mount=type=secret`.
    """

    reference: str
    dockerfile: str = "Dockerfile"
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    builder: str = "auto"
    """auto | buildkit | classic"""
    scope: str = ""
    """Whose mounts of `RUN --mount=type=cache` it shares: the scope (`model.trust`) into which its run writes."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildFailure:
    """The step that failed: its line in the Dockerfile (0 = unknown), its text, its exit code (None = none)."""

    line: int
    step: str
    code: int | None
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A finished build: exactly one of `image` and `failure` is there. `builder` is the one that was used."""

    builder: str
    image: BuiltImage | None = None
    failure: BuildFailure | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A login to a registry."""

    username: str
    password: str = field(repr=False)


class Images(Protocol):
    """Images of one engine. Errors that may leave: EngineError and kin, ImageNotFoundError, RegistryError and kin,
    DiskFullError, CancelledError."""

    def build(
        self,
        context: IO[bytes] | Iterable[bytes],
        spec: BuildSpec,
        *,
        output: BuildOutput,
        cancel: Cancellation,
    ) -> Build:
        """Build an image; a failed step is a result, not an error."""

    def inspect(self, reference: str) -> BuiltImage | None:
        """The image on the engine, or None."""

    def pull(self, reference: str, *, credentials: Credentials | None = None) -> BuiltImage:
        """Fetch an image from its registry unless it is already there."""

    def push(
        self,
        image: BuiltImage,
        *,
        repository: str,
        tag: str,
        credentials: Credentials | None,
        output: BuildOutput,
        cancel: Cancellation,
    ) -> str:
        """Tag and push; returns the digest that the registry answers for the tag afterwards (`sha256:…`).

        Without credentials the user's docker configuration is asked. The local tag made for it is removed again.
        """

    def registry_digest(self, reference: str, *, credentials: Credentials | None) -> str | None:
        """The digest that the registry has now for `repository:tag`, or None when it has no such tag."""

    def export(self, image: BuiltImage) -> Iterator[bytes]:
        """The image as a `docker save` tar stream."""

    def remove(self, reference: str) -> None:
        """Drop a local name; nothing happens when it is not there."""
