"""The files of one container that does not run: written and read through the engine, its volumes included."""

from __future__ import annotations

import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import UsageError
from pipeline.executors.docker.depot import BLOCK, PLAIN
from pipeline.executors.docker.path_stat import path_mode
from pipeline.executors.docker.reaper import GONE
from pipeline.executors.docker.tar_blocks import END
from pipeline.executors.docker.tar_modes import chunks_of
from pipeline.model.container import WORKSPACE

if TYPE_CHECKING:
    from docker import APIClient

READ_ONLY = "marked read-only"


class DockerFiles:
    """Implements `pipeline.ports.executor.ContainerFiles`."""

    def __init__(self, client: APIClient, container: str) -> None:
        self._client = client
        self._container = container

    def put(self, folder: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack below a folder; what is missing of it is made, open to any user."""
        place = _absolute(folder)
        there, missing = place, list[str]()
        while there != "/" and (mode := path_mode(self._client, self._container, there)) is None:
            missing.insert(0, posixpath.basename(there))
            there = posixpath.dirname(there)
        if there != "/" and mode is not None and stat.S_ISREG(mode):
            raise UsageError(f"cannot write into {folder}: {there} is a file", hint="name a folder")
        if missing:
            self._put(there, _folders(missing))
        self._put(place, chunks_of(archive))

    def get(self, path: str) -> Iterator[bytes] | None:
        """A tar stream of a path."""
        sdk: Any = self._client
        with translating(f"read {path}"):
            response = sdk._get(
                sdk._url("/containers/{0}/archive", self._container),
                params={"path": _absolute(path)},
                headers=PLAIN,
                stream=True,
                timeout=None,
            )
            if response.status_code == GONE:
                response.close()
                return None
            sdk._raise_for_status(response)
        return _flow(response, path)

    def _put(self, folder: str, content: bytes | Iterator[bytes]) -> None:
        sdk: Any = self._client
        with translating(f"write into {folder}"):
            answer = sdk._put(
                sdk._url("/containers/{0}/archive", self._container),
                params={"path": folder},
                data=content,
                timeout=None,
            )
            if not answer.ok and READ_ONLY in answer.text:
                raise UsageError(
                    f"cannot write into {folder}: the stage is hardened, so its root file system is read-only",
                    hint="name a folder of the workspace, or leave `hardened` out",
                )
            sdk._raise_for_status(answer)


def _absolute(path: str) -> str:
    return posixpath.normpath(posixpath.join(WORKSPACE, path))


def _folders(names: list[str]) -> bytes:
    blocks = b""
    for count in range(1, len(names) + 1):
        entry = tarfile.TarInfo("/".join(names[:count]))
        entry.type, entry.mode = tarfile.DIRTYPE, 0o777
        blocks += entry.tobuf(tarfile.PAX_FORMAT)
    return blocks + END


def _flow(response: Any, path: str) -> Iterator[bytes]:
    try:
        with translating(f"read {path}"):
            yield from response.raw.stream(BLOCK)
    finally:
        response.close()
