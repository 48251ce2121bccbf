"""The engine's images behind the port: build, inspect, pull, push, export, remove."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any

from pipeline.dockerapi import connect, translating
from pipeline.dockerapi.registry_login import login, registry_of
from pipeline.errors import EngineError, ImageNotFoundError
from pipeline.executors.docker.build_buildkit import build_with_buildkit
from pipeline.executors.docker.build_classic import build_classic
from pipeline.executors.docker.build_client import BuildClient, find_build_client
from pipeline.executors.docker.push_image import push_image, registry_digest
from pipeline.executors.docker.push_verdict import refusal
from pipeline.model.container import Stream
from pipeline.model.run import BuiltImage
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Leftover
from pipeline.ports.images import Build, BuildOutput, BuildSpec, Credentials
from pipeline.settings import Settings, certificate_bundle, stage_environment

LOCAL = "ecluse-local"
"""First part of the names under which built images are kept: `ecluse-local/<installation, 8>/<name>:<run>`."""
CERTIFICATES = "certificates"
"""The secret under which a build finds the host's certificate bundle."""
CHUNK = 1 << 20


class DockerImages:
    """Implements `pipeline.ports.images.Images`; one instance serves all threads. Reaches the engine on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def build(
        self,
        context: IO[bytes] | Iterable[bytes],
        spec: BuildSpec,
        *,
        output: BuildOutput,
        cancel: Cancellation,
    ) -> Build:
        """As the port says; the host's proxies are build arguments, its certificates the secret `certificates`."""
        client = connect(self._settings)
        cancel.check()
        wanted = self._settings.builder if spec.builder == "auto" else spec.builder
        command = None if wanted == "classic" else find_build_client(self._settings, client)
        spec = self._equipped(spec)
        before = self.inspect(spec.reference)
        chunks = _chunks(context)
        if command is not None:
            output.write(Stream.OUT, f"builder: BuildKit through docker {command.version}\n".encode())
            failure = build_with_buildkit(command, chunks, spec, settings=self._settings, output=output, cancel=cancel)
        else:
            _demand_nothing_new(spec, wanted)
            output.write(Stream.OUT, b"builder: the engine's classic one\n")
            if CERTIFICATES in spec.secrets:
                output.write(Stream.OUT, b"it cannot offer the host's certificates to RUN steps: BuildKit can\n")
            failure = build_classic(client, chunks, spec, output=output, cancel=cancel)
        builder = _name(command)
        if failure is not None:
            return Build(builder=builder, failure=failure)
        image = self.inspect(spec.reference)
        if image is None:
            raise EngineError(
                f"the engine built {spec.reference} and does not have it afterwards",
                hint="another process may have removed it: run again",
            )
        if before is not None and before.id != image.id:
            self._drop_nameless(before.id)
        return Build(builder=builder, image=image)

    def inspect(self, reference: str) -> BuiltImage | None:
        """The image on the engine, or None."""
        import docker.errors

        client: Any = connect(self._settings)
        with translating(f"inspect {reference}"):
            try:
                facts = client.inspect_image(reference)
            except docker.errors.ImageNotFound:
                return None
        return BuiltImage(id=facts["Id"], reference=reference, size=int(facts.get("Size", 0)))

    def pull(self, reference: str, *, credentials: Credentials | None = None) -> BuiltImage:
        """Fetch an image from its registry unless it is already there."""
        known = self.inspect(reference)
        if known is not None:
            return known
        client: Any = connect(self._settings)
        repository, tag = _parts(reference)
        with translating(f"pull {reference}"):
            events = client.pull(
                repository, tag=tag, auth_config=login(repository, credentials), stream=True, decode=True
            )
            for event in events:
                if "error" in event:
                    words = str(event["error"])
                    if "not found" in words or "unknown" in words or "does not exist" in words:
                        raise ImageNotFoundError(f"image {reference}: {words}", hint="check its spelling")
                    raise refusal(registry_of(repository), repository, words)
        image = self.inspect(reference)
        if image is None:
            raise ImageNotFoundError(f"image {reference} was pulled and is not there", hint="run again")
        return image

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
        """Tag and push; the digest that the registry answers for the tag afterwards."""
        cancel.check()
        return push_image(
            connect(self._settings),
            image.id,
            repository=repository,
            tag=tag,
            credentials=credentials,
            output=output,
            cancel=cancel,
            locks=self._settings.home / "cache" / "pushes",
        )

    def registry_digest(self, reference: str, *, credentials: Credentials | None) -> str | None:
        """The digest that the registry has for `repository:tag` now, or None."""
        return registry_digest(connect(self._settings), reference, credentials)

    def export(self, image: BuiltImage) -> Iterator[bytes]:
        """The image as a `docker save` tar stream."""
        client = connect(self._settings)
        with translating(f"export {image.reference}"):
            yield from client.get_image(image.id, chunk_size=CHUNK)

    def remove(self, reference: str) -> None:
        """Drop a local name; nothing happens when it is not there."""
        import docker.errors

        client = connect(self._settings)
        with translating(f"remove {reference}"):
            try:
                client.remove_image(reference)
            except docker.errors.ImageNotFound:
                return

    def leftovers(self, installation: str) -> tuple[Leftover, ...]:
        """Names of built images that this installation keeps on the engine, with the run that built each."""
        client = connect(self._settings)
        prefix = f"{LOCAL}/{installation[:8]}/"
        with translating("list images"):
            images = client.images(filters={"reference": f"{prefix}*"})
        names = (name for image in images for name in image.get("RepoTags") or ())
        return tuple(
            Leftover(kind="image", name=name, run=name.rpartition(":")[2]) for name in names if name.startswith(prefix)
        )

    def _drop_nameless(self, identity: str) -> None:
        """Remove the image that an earlier attempt built under the same name, unless somebody uses it."""
        client: Any = connect(self._settings)
        with suppress(EngineError, ImageNotFoundError), translating(f"remove {identity}"):
            if not client.inspect_image(identity).get("RepoTags"):
                client.remove_image(identity)

    def _equipped(self, spec: BuildSpec) -> BuildSpec:
        """With the host's proxies and certificates; what the stage says itself wins."""
        proxies = stage_environment(self._settings, os.environ)
        bundle = certificate_bundle(self._settings)
        secrets: Mapping[str, str] = spec.secrets
        if bundle is not None and CERTIFICATES not in secrets:
            secrets = {**secrets, CERTIFICATES: bundle.read_text()}
        return replace(spec, args={**proxies, **spec.args}, secrets=secrets)


def _demand_nothing_new(spec: BuildSpec, wanted: str) -> None:
    """What the classic builder cannot do."""
    remedy = (
        "install a docker command with BuildKit (docker-buildx-plugin, or docker.io 20.10 and newer) on this machine"
    )
    if wanted == "buildkit":
        raise EngineError("no docker command of this machine can build with BuildKit", hint=remedy)
    asked = sorted(name for name in spec.secrets if name != CERTIFICATES)
    if asked:
        raise EngineError(f"the classic builder has no build secrets ({', '.join(asked)})", hint=remedy)


def _name(command: BuildClient | None) -> str:
    return "buildkit" if command else "classic"


def _parts(reference: str) -> tuple[str, str]:
    """Repository and tag or digest; `latest` where neither is written."""
    if "@" in reference:
        repository, _, digest = reference.partition("@")
        return repository, digest
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, "latest")


def _chunks(context: IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    if hasattr(context, "read"):
        while chunk := context.read(CHUNK):
            yield chunk
    else:
        yield from context
