"""The files of a container as a folder of this machine, in tar streams as an engine gives and takes them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import pytest


class ContainerFolder:
    """Implements `pipeline.ports.executor.ContainerFiles` over a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, folder: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        content = archive.read() if hasattr(archive, "read") else b"".join(archive)
        place = self._place(folder)
        place.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            tar.extractall(place, filter="fully_trusted")  # noqa: S202 - as an engine does in a container

    def get(self, path: str) -> Iterator[bytes] | None:
        place = self._place(path)
        if not place.exists() and not place.is_symlink():
            return None
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.add(place, arcname=place.name)
        content = out.getvalue()
        return iter([content[:700], b"", content[700:]])

    def write(self, path: str, content: bytes) -> None:
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def link(self, path: str, to: str) -> None:
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(to)

    def content(self, path: str) -> bytes:
        return self._place(path).read_bytes()

    def _place(self, path: str) -> Path:
        return self.root / path.lstrip("/")


@pytest.fixture
def container(tmp_path: Path) -> ContainerFolder:
    """A container without files."""
    return ContainerFolder(tmp_path / "container")
