"""Push one tag through the engine and read back what the registry then has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.dockerapi import translating
from pipeline.errors import EngineBusyError, EngineError, ImageNotFoundError, RegistryError
from pipeline.executors.docker.build_classic import drop_connection
from pipeline.executors.docker.push_login import login, registry_of
from pipeline.executors.docker.push_verdict import refusal
from pipeline.model.container import Stream
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.images import BuildOutput, Credentials

_names: dict[str, threading.Lock] = {}
_names_lock = threading.Lock()


def registry_digest(client: Any, reference: str, credentials: Credentials | None) -> str | None:
    """The digest that the registry answers for `repository:tag`; None when it has no such tag or repository."""
    import docker.errors

    repository = reference.rpartition(":")[0]
    with translating(f"ask the registry for {reference}"):
        try:
            answer = client.inspect_distribution(reference, auth_config=login(repository, credentials))
        except docker.errors.APIError as error:
            words = str(error.explanation or error)
            if "manifest unknown" in words or "name unknown" in words or "not found" in words.lower():
                return None
            raise refusal(registry_of(repository), repository, words) from error
    return str(answer["Descriptor"]["digest"])


def push_image(
    client: Any,
    image: str,
    *,
    repository: str,
    tag: str,
    credentials: Credentials | None,
    output: BuildOutput,
    cancel: Cancellation,
) -> str:
    """Push the image with that id; the digest that the registry answers for the tag afterwards.

    Cancelling drops the connection, which ends the push. Raises RegistryError and kin, ImageNotFoundError, EngineError
    and kin, CancelledError.
    """
    registry = registry_of(repository)
    with _named(client, image, repository, tag):
        said = _pushed(client, repository, tag, login(repository, credentials), output, cancel)
    answered = registry_digest(client, f"{repository}:{tag}", credentials)
    if answered is None:
        raise RegistryError(
            f"the registry {registry} took {repository}:{tag} and does not have it afterwards",
            hint="see the registry's own log and its disk",
        )
    if said and answered != said:
        raise RegistryError(
            f"{repository}:{tag} is {answered} in the registry, but {said} was pushed",
            hint="somebody pushed the same tag at the same time: give each its own tag",
        )
    return answered


def _pushed(
    client: Any, repository: str, tag: str, auth: dict[str, str], output: BuildOutput, cancel: Cancellation
) -> str:
    from docker.auth import encode_header

    digest = ""
    shown: dict[str, str] = {}
    with translating(f"push {repository}:{tag}"):
        response = client._post(
            client._url("/images/{0}/push", repository),
            headers={"X-Registry-Auth": encode_header(auth)},
            params={"tag": tag},
            stream=True,
            timeout=None,
        )
        if response.status_code >= 400:
            raise refusal(registry_of(repository), repository, response.json().get("message", response.text))
        try:
            with cancel.calling(lambda: drop_connection(response)):
                for event in client._stream_helper(response, decode=True):
                    if "error" in event:
                        cancel.check()
                        raise refusal(registry_of(repository), repository, str(event["error"]))
                    digest = str((event.get("aux") or {}).get("Digest", "")) or digest
                    _show(event, shown, output)
        finally:
            cancel.check()
            response.close()
    if not digest:
        raise EngineBusyError(f"the engine broke off the push of {repository}:{tag}", hint="see the engine's own log")
    return digest


def _show(event: dict[str, Any], shown: dict[str, str], output: BuildOutput) -> None:
    """One line for each change of a layer's state, none for each percent."""
    layer, status = str(event.get("id", "")), str(event.get("status", ""))
    if status and shown.get(layer) != status:
        shown[layer] = status
        output.write(Stream.OUT, f"{layer}: {status}\n".removeprefix(": ").encode())


@contextmanager
def _named(client: Any, image: str, repository: str, tag: str) -> Iterator[None]:
    """The image under the name that the push needs; a name that was there before stands again afterwards."""
    reference = f"{repository}:{tag}"
    with _names_lock:
        lock = _names.setdefault(reference, threading.Lock())
    with lock:
        before = _identity(client, reference)
        with translating(f"name the image {reference}"):
            if _identity(client, image) is None:
                raise ImageNotFoundError(
                    f"the image {image} is no longer on the engine", hint="build it again: `ecluse run`"
                )
            if not client.tag(image, repository, tag, force=True):
                raise EngineError(f"cannot name the image {reference}", hint="check the name in `to` and `tags`")
        try:
            yield
        finally:
            with translating(f"take back the name {reference}"):
                if before is None:
                    client.remove_image(reference, noprune=True)
                elif before != image:
                    client.tag(before, repository, tag, force=True)


def _identity(client: Any, reference: str) -> str | None:
    import docker.errors

    with translating(f"inspect {reference}"):
        try:
            return str(client.inspect_image(reference)["Id"])
        except docker.errors.ImageNotFound:
            return None
