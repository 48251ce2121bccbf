"""Executors under contract, each in turn."""

from __future__ import annotations

import importlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from contracts.ground import Ground

from pipeline.executors import EXECUTORS
from pipeline.settings import Settings

KINDS = {"docker overlay": ("docker", "overlay"), "docker copy": ("docker", "copy"), "process": ("process", "auto")}


@pytest.fixture(params=list(KINDS), ids=lambda name: name.replace(" ", "-"))
def ground(request: pytest.FixtureRequest, engine: str, images: Any, tmp_home: Path) -> Iterator[Ground]:
    """Each executor in turn."""
    kind = request.param
    name, workspace = KINDS[kind]
    settings = Settings(home=tmp_home, docker_host=engine, workspace=workspace, grace=2.0)
    module, _, attribute = EXECUTORS[name].partition(":")
    executor = getattr(importlib.import_module(module), attribute)(settings)
    made = Ground(kind=kind, settings=settings, executor=executor, image=images.busybox)
    yield made
    for session in made.opened:
        session.close()


@pytest.fixture
def docker_ground(engine: str, images: Any, tmp_home: Path) -> Iterator[Ground]:
    """The Docker executor alone, for what only an engine can do."""
    module, _, attribute = EXECUTORS["docker"].partition(":")
    settings = Settings(home=tmp_home, docker_host=engine, workspace="overlay", grace=2.0)
    executor = getattr(importlib.import_module(module), attribute)(settings)
    made = Ground(kind="docker overlay", settings=settings, executor=executor, image=images.busybox)
    yield made
    for session in made.opened:
        session.close()


@pytest.fixture
def tar() -> Callable[..., bytes]:
    """A tar stream from paths: bytes are files, None is a folder, `-> x` is a symlink; mode 0755 for `*.sh`."""

    def make(content: Mapping[str, bytes | str | None]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, item in content.items():
                entry = tarfile.TarInfo(path)
                entry.mode = 0o755 if item is None or path.endswith(".sh") else 0o644
                if item is None:
                    entry.type = tarfile.DIRTYPE
                elif isinstance(item, str):
                    entry.type, entry.linkname = tarfile.SYMTYPE, item.removeprefix("-> ")
                else:
                    entry.size = len(item)
                archive.addfile(entry, io.BytesIO(item) if isinstance(item, bytes) else None)
        return buffer.getvalue()

    return make
