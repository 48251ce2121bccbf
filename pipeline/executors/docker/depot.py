"""The run's depot: one data volume, read and written through a container that is created but never started."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from pipeline.dockerapi import post, status_of, translating
from pipeline.errors import NotFoundError
from pipeline.executors.docker.anchor import ANCHOR, FEW_FURNITURE, FURNITURE, PROGRAM
from pipeline.executors.docker.reaper import GONE, Reaper
from pipeline.executors.docker.slot_names import BATCH, FEW
from pipeline.executors.docker.tar_links import Links
from pipeline.model.identity import ROLE_WORKSPACE, RunIdentity

if TYPE_CHECKING:
    from docker import APIClient

BLOCK = 1 << 18
PLAIN = {"Accept-Encoding": "identity"}
"""Else the engine compresses what it sends, which costs more than it saves."""


def create_container(client: APIClient, name: str, config: dict[str, Any]) -> str:
    """Returns the id, raises the SDK's errors."""
    return str(post(client, "/containers/create", config, name=name)["Id"])


def create_anchored(client: APIClient, name: str, config: dict[str, Any]) -> str:
    """Create a container of the anchor image, which is imported when it is missing. Raises the SDK's errors."""
    config = {"Image": ANCHOR, "Entrypoint": [PROGRAM], **config}
    try:
        return create_container(client, name, config)
    except Exception as error:
        match status_of(error):
            case 404 if "image" in str(getattr(error, "explanation", "")):
                from pipeline.executors.docker.anchor_image import import_anchor

                import_anchor(client)
            case 409:
                # left by a runner that was killed; it holds nothing that we need
                client.remove_container(name, force=True, v=True)
            case _:
                raise
    return create_container(client, name, config)


def volume_mount(volume: str, target: str) -> dict[str, Any]:
    """A mount that leaves the image's own files at the place out of the volume."""
    return {"Type": "volume", "Source": volume, "Target": target, "VolumeOptions": {"NoCopy": True}}


class Depot:
    """Folders of the data volume. The volume is made on first use; may be called from several threads.

    Its name is short, because overlay options that hold it many times must fit one page of memory.
    """

    def __init__(self, client: APIClient, run: RunIdentity, *, small: bool = False) -> None:
        """`small`: few layers will do, as far as anybody knows."""
        self.laid_out = FEW if small else BATCH
        self._root = f"/{FEW_FURNITURE if small else FURNITURE}"
        self._client = client
        self._run = run
        self._lock = threading.Lock()
        self._keeper: Future[str] | None = None
        self._mountpoint = ""
        self._furnishing = threading.Lock()
        self.keeper = run.name("depot")
        self.volume = "ecluse-" + hashlib.sha256(run.name("data").encode()).hexdigest()[:12]

    @property
    def mountpoint(self) -> str:
        """The volume's folder on the engine's host. What is to be in it may still be on its way: see `settled`."""
        with self._lock:
            if not self._mountpoint:
                with translating("create the run's data volume"):
                    made = self._client.create_volume(self.volume, labels=self._labels)
                self._mountpoint = str(made["Mountpoint"])
            return self._mountpoint

    def furnish(self, blocks: bytes = b"") -> Future[str]:
        """Begin to make the first folders, and to unpack this tar stream; must be called before anything is put.

        The folders come with the anchor image: the engine copies them into the new volume, which is five times
        quicker than unpacking a stream.
        """
        _ = self.mountpoint
        keeper: Future[str] = Future()
        self._keeper = keeper

        def work() -> None:
            try:
                made = self._make_keeper()
                if blocks:
                    self._put(made, self._root, blocks)
                keeper.set_result(made)
            except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
                keeper.set_exception(error)

        threading.Thread(target=work, name="furnish", daemon=True).start()
        return keeper

    def furnished(self) -> None:
        """See to it that `furnish` has been called."""
        with self._furnishing:
            if self._keeper is None:
                self.furnish()

    def settled(self) -> None:
        """Wait until the furniture is in its place. Raises what went wrong with it."""
        if self._keeper is not None:
            self._keeper.result()

    def close(self, reaper: Reaper) -> None:
        """Remove the keeper in the background; the volume goes by its label."""
        keeper = self._keeper
        if keeper is not None and keeper.exception() is None:
            reaper.submit("the keeper", lambda: self._client.remove_container(keeper.result(), force=True, v=True))

    def put(self, folder: str, archive: bytes | IO[bytes] | Iterable[bytes], links: Links | None = None) -> None:
        """Unpack a tar stream into a folder that is there; then the `links` that were taken out of it on its way."""
        self.furnished()
        assert self._keeper is not None  # noqa: S101 # it has just been furnished
        self._put(self._keeper.result(), f"{self._root}/{folder}", archive)
        if links is not None and links.found:
            self._put(self._keeper.result(), "/", links.archive(f"{self._root}/{folder}"))

    def get(self, folder: str, file: IO[bytes]) -> None:
        """Write a tar stream of a folder into a file. Raises NotFoundError when there is no such folder."""
        self.furnished()
        assert self._keeper is not None  # noqa: S101 # it has just been furnished
        with reading(self._client, self._keeper.result(), f"{self._root}/{folder}/.") as chunks:
            for chunk in chunks:
                file.write(chunk)

    @property
    def _labels(self) -> dict[str, str]:
        return dict(self._run.labels(ROLE_WORKSPACE))

    def _make_keeper(self) -> str:
        mount = {"Type": "volume", "Source": self.volume, "Target": self._root}
        host = {"NetworkMode": "none", "Mounts": [mount]}
        with translating("create the workspace's keeper"):
            return create_anchored(self._client, self.keeper, {"Labels": self._labels, "HostConfig": host})

    def _put(self, keeper: str, place: str, content: object) -> None:
        sdk: Any = self._client
        with translating("write into the workspace"):
            answer = sdk._put(
                sdk._url("/containers/{0}/archive", keeper),
                params={"path": place},
                data=content,
                timeout=None,
            )
            sdk._raise_for_status(answer)


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
