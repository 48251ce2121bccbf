"""The run's depot: one data volume, read and written through a container that is created but never started."""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import NotFoundError
from pipeline.executors.docker.anchor import ANCHOR, PROGRAM, import_anchor
from pipeline.executors.docker.reaper import GONE
from pipeline.model.identity import ROLE_WORKSPACE, RunIdentity

if TYPE_CHECKING:
    from docker import APIClient

ROOT = "/data"
END = bytes(1024)
"""What ends a tar stream."""
BLOCK = 1 << 18
PLAIN = {"Accept-Encoding": "identity"}
"""Else the engine compresses what it sends, which costs more than it saves."""


def create_container(client: APIClient, name: str, config: dict[str, Any]) -> str:
    """Create by the plain API (the SDK's own call knows too little); returns the id, raises the SDK's errors."""
    sdk: Any = client
    answer = sdk._post_json(sdk._url("/containers/create"), data=config, params={"name": name})
    identity: str = sdk._result(answer, json=True)["Id"]
    return identity


def create_anchored(client: APIClient, name: str, config: dict[str, Any]) -> str:
    """Create a container of the anchor image, which is imported when it is missing. Raises the SDK's errors."""
    import docker.errors

    config = {"Image": ANCHOR, "Entrypoint": [PROGRAM], **config}
    try:
        return create_container(client, name, config)
    except docker.errors.ImageNotFound:
        import_anchor(client)
        return create_container(client, name, config)
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise
        # left by a runner that was killed; it holds nothing that we need
        client.remove_container(name, force=True, v=True)
        return create_container(client, name, config)


def volume_mount(volume: str, target: str) -> dict[str, Any]:
    """A mount that leaves the image's own files at the place out of the volume."""
    return {"Type": "volume", "Source": volume, "Target": target, "VolumeOptions": {"NoCopy": True}}


class Depot:
    """Folders of the data volume. Made on first use; may be called from several threads.

    Its name is short, because overlay options that hold it many times must fit one page of memory.
    """

    def __init__(self, client: APIClient, run: RunIdentity, *, furniture: bytes) -> None:
        """`furniture` is a tar stream that is there from the beginning."""
        self._client = client
        self._run = run
        self._furniture = furniture
        self._lock = threading.RLock()
        self._keeper = ""
        self._mountpoint = ""
        self.volume = "ecluse-" + hashlib.sha256(run.name("data").encode()).hexdigest()[:12]

    @property
    def mountpoint(self) -> str:
        """The volume's folder on the engine's host."""
        self._ensure()
        return self._mountpoint

    def put(self, folder: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack a tar stream into a folder that is there."""
        self._put(folder, archive)

    def _put(self, folder: str, content: object) -> None:
        sdk: Any = self._client
        keeper = self._ensure()
        with translating("write into the workspace"):
            answer = sdk._put(
                sdk._url("/containers/{0}/archive", keeper),
                params={"path": f"{ROOT}/{folder}"},
                data=content,
                timeout=None,
            )
            sdk._raise_for_status(answer)

    def _ensure(self) -> str:
        with self._lock:
            if self._keeper:
                return self._keeper
            labels = dict(self._run.labels(ROLE_WORKSPACE))
            with translating("create the run's data volume"):
                made = self._client.create_volume(self.volume, labels=labels)
                keeper = create_anchored(
                    self._client,
                    self._run.name("depot"),
                    {
                        "Labels": labels,
                        "HostConfig": {"NetworkMode": "none", "Mounts": [volume_mount(self.volume, ROOT)]},
                    },
                )
            self._mountpoint, self._keeper = made["Mountpoint"], keeper
            self._put("", self._furniture)
            return keeper


@contextmanager
def reading(client: APIClient, container: str, path: str) -> Iterator[Iterator[bytes]]:
    """The engine's tar stream of a path in a container. Raises NotFoundError when there is no such path."""
    sdk: Any = client
    with translating(f"read {path}"):
        response = sdk._get(
            sdk._url("/containers/{0}/archive", container),
            params={"path": path},
            headers=PLAIN,
            stream=True,
            timeout=None,
        )
        try:
            if response.status_code == GONE:
                raise NotFoundError(f"there is no {path}", hint="look at what the stage has written")
            sdk._raise_for_status(response)
            yield response.raw.stream(BLOCK)
        finally:
            response.close()


def file_blocks(name: str, content: bytes) -> bytes:
    """Tar blocks of one file that everybody may read."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    return entry.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)
