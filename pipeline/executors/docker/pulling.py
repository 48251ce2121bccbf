"""Fetching an image that the engine does not have, with the user's own docker login."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating
from pipeline.dockerapi.faults import from_answer
from pipeline.errors import CancelledError, ImageNotFoundError
from pipeline.ports.cancellation import Cancellation

if TYPE_CHECKING:
    from docker import APIClient


class Pulls:
    """Pulls each image once, however many stages wait for it."""

    def __init__(self, client: APIClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def pull(self, image: str, cancel: Cancellation) -> None:
        """Fetch unless another thread has meanwhile. Raises ImageNotFoundError, CancelledError, EngineError and kin."""
        with self._lock:
            mine = self._locks.setdefault(image, threading.Lock())
        with mine:
            if not self._present(image):
                self._fetch(image, cancel)

    def _present(self, image: str) -> bool:
        import docker.errors

        with translating(f"look for image {image}"):
            try:
                self._client.inspect_image(image)  # type: ignore[no-untyped-call]
            except docker.errors.NotFound:
                return False
        return True

    def _fetch(self, image: str, cancel: Cancellation) -> None:
        from docker.utils import parse_repository_tag

        what = f"pull image {image}"
        repository, tag = parse_repository_tag(image)
        try:
            with translating(what):
                for event in self._client.pull(repository, tag=tag or "latest", stream=True, decode=True):
                    if "error" in event:
                        raise from_answer(what, 0, str(event["error"]))
                    if cancel.cancelled:
                        raise CancelledError(cancel.reason)
        except ImageNotFoundError as error:
            words = error.message.removeprefix(f"cannot {what}: ")
            raise ImageNotFoundError(f"image {image} not found: {words}", hint=error.hint) from error
