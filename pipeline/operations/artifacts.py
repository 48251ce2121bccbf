"""Artifacts of a run: which there are, and how they get back into a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from pipeline.errors import DiskFullError, NotFoundError, StorageError, UsageError
from pipeline.model.identity import safe_name
from pipeline.model.run import Artifact, Run

_ELSEWHERE = "free space there, or name another folder with --output"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageArtifact:
    """An artifact and the stage whose last attempt made it."""

    stage: str
    artifact: Artifact


def artifacts_of(run: Run, name: str | None) -> tuple[StageArtifact, ...]:
    """All artifacts of a run, or those of that name (or path); NotFoundError when the name is not among them."""
    found = tuple(
        StageArtifact(stage=stage.name, artifact=artifact)
        for stage in run.stages
        for artifact in stage.products.artifacts
    )
    if name is None:
        return found
    chosen = tuple(item for item in found if name in (item.artifact.name, item.artifact.path))
    if not chosen:
        names = ", ".join(sorted({item.artifact.name for item in found}))
        raise NotFoundError(
            f"run {run.number or run.id} has no artifact '{name}'",
            hint=f"its artifacts: {names}" if names else "it made no artifacts",
        )
    return chosen


class Contents(Protocol):
    """Where the bytes are: the storage of this machine, or a server."""

    def open(self, digest: str) -> IO[bytes]:
        """Read one; its digest is checked when it was read to the end."""


def fetch(storage: Contents, chosen: Sequence[StageArtifact], folder: Path) -> Iterator[Path]:
    """Write each artifact under `folder` at the path it had in the workspace; yields what was written.

    Two artifacts of the same path but from different stages land in folders named after their stages.
    UsageError for a path that would leave the folder, NotFoundError when the time of all of them is over; where
    only some are gone, the others are written.
    """
    there = [item for item in chosen if item.artifact.digest]
    if chosen and not there:
        names = ", ".join(sorted({item.artifact.name for item in chosen}))
        raise NotFoundError(f"{names}: the time for which it was kept is over", hint="run it again; see `keep`")
    chosen = there
    paths = [item.artifact.path for item in chosen]
    for item in chosen:
        path = PurePosixPath(item.artifact.path)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in str(path):
            raise UsageError(f"artifact path '{path}' leaves the folder", hint="nothing was written for it")
        start = folder / safe_name(item.stage) if paths.count(item.artifact.path) > 1 else folder
        yield _write(storage, item.artifact, start / path)


def _write(storage: Contents, artifact: Artifact, target: Path) -> Path:
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with storage.open(artifact.digest) as content, draft.open("wb") as copy:
            shutil.copyfileobj(content, copy, 1024 * 1024)
        draft.replace(target)
    except OSError as error:
        if error.errno == 28:
            raise DiskFullError(
                f"no space left to write {target}", hint="free space, or name another --output"
            ) from error
        raise StorageError(f"cannot write {target}: {error.strerror}", hint="name another --output") from error
    finally:
        with suppress(OSError):
            draft.unlink()
    return target
