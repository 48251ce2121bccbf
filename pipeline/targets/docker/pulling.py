"""Fetching the pinned image of a release with the user's own docker login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.dockerapi.faults import from_answer
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress

if TYPE_CHECKING:
    from docker import APIClient


def pull(client: APIClient, image: str, *, progress: Progress, cancel: Cancellation) -> None:
    """Fetch `repository@sha256:…` unless the engine has it. ImageNotFoundError, RegistryError kin, CancelledError."""
    import docker.errors
    from docker.utils import parse_repository_tag

    store: Any = client
    with translating(f"look for image {image}"):
        try:
            store.inspect_image(image)
        except docker.errors.NotFound:
            pass
        else:
            return
    progress(f"pulling {image}")
    repository, tag = parse_repository_tag(image)
    with translating(f"pull image {image}"):
        for event in client.pull(repository, tag=tag or "latest", stream=True, decode=True):
            cancel.check()
            if "error" in event:
                raise from_answer(f"pull image {image}", 0, str(event["error"]))
