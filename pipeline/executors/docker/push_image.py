"""Push one tag through the engine and read back what the registry then has."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.dockerapi import translating
from pipeline.dockerapi.registry_login import login, registry_of
from pipeline.errors import EngineBusyError, EngineError, ImageNotFoundError, RegistryError, StorageError
from pipeline.executors.docker.build_classic import drop_connection
from pipeline.executors.docker.push_verdict import refusal
from pipeline.model.container import Stream
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.images import BuildOutput, Credentials

_TURN = 0.1
"""Seconds between two looks whether another run has given the name back."""


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
    locks: Path,
) -> str:
    """Push the image with that id; the digest that the registry answers for the tag afterwards.

    Runs that share the folder `locks` use a name one after the other: the engine has one image under it.

    Cancelling drops the connection, which ends the push. Raises RegistryError and kin, ImageNotFoundError, EngineError
    and kin, CancelledError.
    """
    registry = registry_of(repository)
    with _alone(locks, f"{repository}:{tag}", cancel), _named(client, image, repository, tag):
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
    import docker.errors

    reference = f"{repository}:{tag}"
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
                with suppress(docker.errors.ImageNotFound):
                    client.remove_image(reference, noprune=True)
            elif before != image:
                client.tag(before, repository, tag, force=True)


@contextmanager
def _alone(locks: Path, reference: str, cancel: Cancellation) -> Iterator[None]:
    """Hold the name against the other runs of this installation; the kernel gives it back when a holder dies."""
    path = locks / hashlib.sha256(reference.encode()).hexdigest()[:2]  # names that share a file wait needlessly: rare
    try:
        locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = path.open("ab")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", hint="check the folder's permissions") from error
    with file:
        while True:
            cancel.check()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                cancel.wait(_TURN)
        yield


def _identity(client: Any, reference: str) -> str | None:
    import docker.errors

    with translating(f"inspect {reference}"):
        try:
            return str(client.inspect_image(reference)["Id"])
        except docker.errors.ImageNotFound:
            return None
