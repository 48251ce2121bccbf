"""Artifacts come back whole, where they belong, and nowhere else."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from ground import NOW, Ground, running

from pipeline.errors import NotFoundError, StorageError, UsageError
from pipeline.model.outcome import succeeded
from pipeline.model.run import Artifact, Attempt, Products, Run, StageRun
from pipeline.operations.artifacts import artifacts_of, fetch


def made(ground: Ground, stage: str, path: str, content: bytes) -> StageRun:
    """A stage whose attempt kept one file, as artifact `wheel`."""
    digest, size = ground.storage.put(io.BytesIO(content))
    artifact = Artifact(name="wheel", path=path, digest=digest, size=size)
    attempt = Attempt(
        number=1, started=NOW, finished=NOW, outcome=succeeded(), products=Products(artifacts=(artifact,))
    )
    return running(stage, attempt)


def run_with(ground: Ground, *stages: StageRun) -> Run:
    """A run of these stages."""
    return replace(ground.begin(stages=stages), stages=stages)


def test_each_goes_to_the_path_it_had(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "home")
    run = run_with(ground, made(ground, "build", "dist/a.whl", b"a" * 3_000_000), made(ground, "docs", "b.txt", b"b"))
    written = list(fetch(ground.storage, artifacts_of(run, None), tmp_path / "out"))
    assert written == [tmp_path / "out" / "dist" / "a.whl", tmp_path / "out" / "b.txt"]
    assert [path.read_bytes() for path in written] == [b"a" * 3_000_000, b"b"]
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a.whl", "b.txt", "dist"]


def test_the_same_path_from_two_stages_keeps_both(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "home")
    run = run_with(ground, made(ground, "py310", "report.xml", b"1"), made(ground, "py312", "report.xml", b"2"))
    written = list(fetch(ground.storage, artifacts_of(run, "wheel"), tmp_path))
    assert [path.relative_to(tmp_path).as_posix() for path in written] == ["py310/report.xml", "py312/report.xml"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("../evil", id="parent"),
        pytest.param("a/../../evil", id="deep-parent"),
        pytest.param("/etc/evil", id="absolute"),
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    ground = Ground(tmp_path / "home")
    run = run_with(ground, made(ground, "build", path, b"evil"))
    with pytest.raises(UsageError, match="leaves the folder"):
        list(fetch(ground.storage, artifacts_of(run, None), tmp_path / "out"))
    assert not (tmp_path / "evil").exists()


def test_a_name_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "home")
    with pytest.raises(NotFoundError, match="run 1 has no artifact 'weel'") as raised:
        artifacts_of(run_with(ground, made(ground, "build", "a.whl", b"a")), "weel")
    assert raised.value.hint == "its artifacts: wheel"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "home")
    (tmp_path / "out").write_text("a file")
    run = run_with(ground, made(ground, "build", "a.whl", b"a"))
    with pytest.raises(StorageError, match=r"cannot write .*a\.whl"):
        list(fetch(ground.storage, artifacts_of(run, None), tmp_path / "out"))


def test_what_has_had_its_time_is_said_and_the_rest_still_comes(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    stage = made(ground, "build", "dist/a.whl", b"a")
    (kept,) = stage.attempts[0].products.artifacts
    over = replace(kept, path="dist/b.whl", digest="")
    attempt = replace(stage.attempts[0], products=Products(artifacts=(kept, over)))
    run = run_with(ground, replace(stage, attempts=(attempt,)))
    written = list(fetch(ground.storage, artifacts_of(run, None), tmp_path / "out"))
    assert written == [tmp_path / "out" / "dist" / "a.whl"]
    with pytest.raises(NotFoundError, match="the time for which it was kept is over"):
        list(fetch(ground.storage, artifacts_of(run, "dist/b.whl"), tmp_path / "out"))
